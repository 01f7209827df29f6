/** The command line that runs a command in a task. Flags end at the target, as with `docker exec`. */

import { readFileSync } from "node:fs"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { reasonOf } from "../../src/engine/Hints.ts"
import { Signal } from "../../src/executor/ExecSpec.ts"
import { nearest } from "../../src/internal/Nearest.ts"
import type { CommandRequest, ExecRequest } from "../../src/request/ExecRequest.ts"
import { Via } from "../../src/request/Via.ts"
import type { AuditFlags } from "../audit/Auditing.ts"
import { connectionFlags, debugFlag, helpFlag, routeFlags } from "../command/CommonFlags.ts"
import { chooseEngine, type EngineChoice } from "../command/EngineChoice.ts"
import { type Flags, readScanned, scanFlags } from "../command/Flags.ts"
import { type CommandHelp, commonCodes, exitCodeList } from "../command/Help.ts"
import { oneOf, parseTime, UsageError } from "../command/Usage.ts"
import { type FleetInvocation, fleetFlags, isWithoutTarget, parseFleet } from "../fleet/FleetArgs.ts"
import { isLogFormat, type LogFormat, logFormats } from "../LineLogger.ts"
import { promptFor, toolboxIn } from "./Toolbox.ts"
import { verbNames } from "./VerbNames.ts"

/** A parsed command line. */
export type Invocation =
  | { readonly _tag: "Help" }
  | { readonly _tag: "Version" }
  | {
      readonly _tag: "Exec"
      /** Without its stdin and terminal. */
      readonly request: ExecRequest
      /** Forward stdin. */
      readonly interactive: boolean
      /** Allocate a terminal. `detachKeys`: the keys that detach from it. */
      readonly tty: { readonly detachKeys: string | undefined } | undefined
      readonly engine: EngineChoice
      /** No warnings and no status line on stderr. */
      readonly quiet: boolean
      /** Every step on stderr, and errors with their causes. */
      readonly debug: boolean
      readonly logFormat: LogFormat
      /** Write the events as JSON lines to stdout. */
      readonly json: boolean
      /** The file to record the output in. */
      readonly record: string | undefined
      /** Print how long each stage took. */
      readonly timings: boolean
      readonly audit: AuditFlags
    }
  | (FleetInvocation & {
      readonly _tag: "Fleet"
      readonly engine: EngineChoice
      readonly debug: boolean
      readonly logFormat: LogFormat
      readonly audit: AuditFlags
    })

/** The flags. */
export const execFlags = {
  env: {
    type: "string",
    short: "e",
    multiple: true,
    value: "NAME[=VALUE]",
    group: "Command",
    about: "Set an environment variable. Without =VALUE, use the caller's value"
  },
  "env-file": {
    type: "string",
    multiple: true,
    value: "FILE",
    group: "Command",
    about: "Read environment variables from a file"
  },
  user: {
    type: "string",
    short: "u",
    value: "NAME|UID[:GROUP]",
    group: "Command",
    about: "Run the command as this user"
  },
  workdir: {
    type: "string",
    short: "w",
    value: "DIR",
    group: "Command",
    about: "Working directory in the container"
  },
  privileged: { type: "boolean", group: "Command", about: "Give the command extended privileges" },
  interactive: { type: "boolean", short: "i", group: "Terminal and input", about: "Forward stdin" },
  tty: { type: "boolean", short: "t", group: "Terminal and input", about: "Allocate a terminal" },
  "detach-keys": {
    type: "string",
    value: "KEYS",
    group: "Terminal and input",
    about: "Keys that detach from the command (default ctrl-p,ctrl-q)"
  },
  detach: { type: "boolean", short: "d", group: "Lifecycle", about: "Start the command and do not wait for it" },
  wait: {
    type: "string",
    value: "TIME",
    optional: "60s",
    group: "Lifecycle",
    about: "Wait until the task is running, healthy and up to date (default 60s)"
  },
  timeout: {
    type: "string",
    value: "TIME",
    group: "Lifecycle",
    about: "Kill the command after TIME (default: no timeout)"
  },
  signal: {
    type: "string",
    value: "NAME",
    group: "Lifecycle",
    about: "Signal that ends the command (default TERM)"
  },
  grace: {
    type: "string",
    value: "TIME",
    group: "Lifecycle",
    about: "Grace period between that signal and KILL (default 10s)"
  },
  ...connectionFlags,
  ...routeFlags,
  quiet: { type: "boolean", short: "q", group: "Output", about: "Hide warnings and the status line" },
  "log-format": {
    type: "string",
    value: "FORMAT",
    group: "Output",
    about: "Format of messages on stderr: text (default), or json with one object per line"
  },
  record: {
    type: "string",
    value: "FILE",
    group: "Output",
    about: "Record the output, but not the input, in an asciicast v2 file (asciinema play FILE)"
  },
  "audit-file": {
    type: "string",
    value: "FILE",
    group: "Output",
    about: "Append one JSON line per run to a file (default: TASK_EXEC_AUDIT_FILE)"
  },
  "audit-user": { type: "string", value: "NAME", group: "Output", about: "User name to write to the audit file" },
  // Its name in version 0.1.0.
  as: { type: "string" },
  ...fleetFlags,
  ...debugFlag,
  timings: { type: "boolean", group: "Debugging", about: "Print how long each stage took" },
  help: { ...helpFlag.help, group: "Output" },
  version: { type: "boolean", short: "V", group: "Output", about: "Print the version" },
  v: { type: "boolean", short: "v" }
} as const satisfies Flags

/** bash where the container has one, otherwise sh. */
const shell = ["sh", "-c", "command -v bash >/dev/null 2>&1 && exec bash; exec sh"]

/** The help of the command. */
export const help: CommandHelp = {
  usage: ["[OPTIONS] TARGET [COMMAND [ARG...]]"],
  about: [
    "Run a command in the container of a Swarm task, on any node. With -t and no COMMAND, task-exec opens the container's shell.",
    "TARGET is a service with one running task (web), a slot (web.2), a service's task on a node (web@node-3), or a unique prefix of a task ID or container ID. Options go before TARGET. Everything after TARGET belongs to the command."
  ],
  flags: execFlags,
  after: [
    "TIME is a number of seconds, or a duration such as 500ms, 90s or 1h30m.",
    exitCodeList(
      ["0-255", "the command's own code"],
      commonCodes.usage,
      ["124", "the command timed out and was killed"],
      ["125", "task-exec failed"],
      ["126", "the command could not be started"],
      commonCodes.interrupted
    ),
    "With many tasks, the exit code is the largest of their codes. --output json tells the command's own codes from those of task-exec."
  ],
  examples: [
    { term: "task-exec web.2 nginx -t", about: "Run a command in slot 2 of a service" },
    { term: "task-exec -it web.2", about: "Open a shell" },
    { term: "task-exec --all web nginx -s reload", about: "Run a command in every task of a service" },
    { term: "task-exec -i db.1 psql < dump.sql", about: "Forward stdin" },
    { term: "task-exec --wait 5m migrate ./migrate up", about: "Wait up to 5 minutes for a healthy task" }
  ]
}

/**
 * Reads a command line. `environment` has the values of variables that are given without one. `isDebug`: the command runs in a toolbox.
 */
export const parseInvocation = Effect.fnUntraced(function* (
  argv: ReadonlyArray<string>,
  environment: Readonly<Record<string, string | undefined>>,
  isDebug = false
): Effect.fn.Return<Invocation, UsageError> {
  const scanned = scanFlags(argv, execFlags)
  const { values } = yield* readScanned(scanned, execFlags)
  if (values.help === true) return { _tag: "Help" }
  if (values.version === true || values.v === true) return { _tag: "Version" }
  const { isExplicit, target, words } = operandsOf(argv.slice(scanned.next), isWithoutTarget(values))
  if (target !== undefined && !isExplicit)
    yield* checkMisplaced([...(isDebug ? ["debug"] : []), ...argv.slice(0, scanned.next)], target, words)
  const fleet = yield* parseFleet(values, target)
  if (fleet !== undefined && values.tty === true) {
    return yield* new UsageError({ detail: "-t needs a single task: many tasks cannot share a terminal" })
  }
  for (const flag of ["wait", "timings", "record"] as const) {
    if (fleet !== undefined && values[flag] !== undefined) {
      return yield* new UsageError({ detail: `--${flag} needs a single task` })
    }
  }
  if (target === undefined && fleet === undefined) return yield* missingTarget
  const command = words.length === 0 && values.tty === true ? shell : words
  if (command.length === 0 && fleet?.list !== true) return yield* missingCommand(target, isDebug)
  const env: Record<string, string> = {}
  for (const file of values["env-file"] ?? []) {
    for (const line of yield* readLines(file)) yield* addVariable(env, line, environment, `--env-file ${file}`)
  }
  for (const text of values.env ?? []) yield* addVariable(env, text, environment, "--env")
  const { grace, signal, timeout, user, workdir } = values
  const image = isDebug ? undefined : values.image
  const toolbox = isDebug ? yield* toolboxIn(values, environment) : undefined
  if (toolbox !== undefined && target !== undefined) env.PS1 ??= promptFor(target)
  const placementTimeout = values["placement-timeout"]
  const via = values.via ?? "auto"
  if (!isVia(via)) {
    return yield* new UsageError({
      detail: `invalid route ${JSON.stringify(via)}: expected ${oneOf(Via.literals)}`
    })
  }
  const request: CommandRequest = {
    command,
    env,
    via,
    privileged: values.privileged ?? false,
    detach: values.detach ?? false,
    ...(user === undefined ? {} : { user }),
    ...(workdir === undefined ? {} : { workdir }),
    ...(image === undefined ? {} : { image }),
    ...(toolbox === undefined ? {} : { toolbox }),
    ...(timeout === undefined ? {} : { timeout: yield* parseTimeout(timeout) }),
    ...(signal === undefined ? {} : { signal: yield* parseSignal(signal) }),
    ...(grace === undefined ? {} : { grace: yield* parseTime("grace period", grace) }),
    ...(placementTimeout === undefined
      ? {}
      : { placementTimeout: yield* parseTime("placement timeout", placementTimeout) })
  }
  const logFormat = values["log-format"] ?? "text"
  if (!isLogFormat(logFormat)) {
    return yield* new UsageError({
      detail: `invalid log format ${JSON.stringify(logFormat)}: expected ${oneOf(logFormats)}`
    })
  }
  const common = {
    logFormat,
    engine: yield* chooseEngine(values.host, values.context),
    quiet: values.quiet ?? false,
    debug: values.debug ?? false,
    interactive: values.interactive ?? false,
    audit: { file: values["audit-file"], as: values["audit-user"] ?? values.as }
  }
  if (target === undefined || fleet !== undefined) {
    return fleet === undefined ? yield* missingTarget : { _tag: "Fleet", ...common, request, fleet }
  }
  const wait = values.wait === undefined ? {} : { wait: yield* parseTime("wait time", values.wait) }
  const tty = values.tty === true ? { detachKeys: values["detach-keys"] } : undefined
  const { output, record } = values
  const json = output === "json"
  if (json && tty !== undefined) {
    return yield* new UsageError({ detail: "--output json cannot be combined with -t" })
  }
  if (record !== undefined && request.detach === true) {
    return yield* new UsageError({ detail: "--record cannot be combined with --detach" })
  }
  return {
    _tag: "Exec",
    ...common,
    json,
    record,
    timings: values.timings ?? false,
    tty,
    request: { ...request, target, ...wait }
  }
})

/** The log format of a command line, even if the line is invalid. */
export const logFormatOf = (argv: ReadonlyArray<string>): LogFormat => {
  const named = scanFlags(argv, execFlags).flags.findLast((flag) => flag.startsWith("--log-format="))
  const format = named?.slice(named.indexOf("=") + 1)
  return isLogFormat(format) ? format : "text"
}

const missingTarget = Effect.fail(new UsageError({ detail: "TARGET is missing: name a service or a task" }))

/** A target may be a mistyped verb. */
const meantVerb = (target: string | undefined): string => {
  const verb = target === undefined ? undefined : nearest(target, verbNames)
  return verb === undefined ? "" : `. Did you mean task-exec ${verb}?`
}

const missingCommand = (target: string | undefined, isDebug: boolean) => {
  const meant = isDebug ? "" : meantVerb(target)
  const line = isDebug ? "task-exec debug -it" : "task-exec -it"
  const shellHint = target === undefined ? "" : `. To open a shell: ${line} ${target}`
  return Effect.fail(new UsageError({ detail: `COMMAND is missing${meant === "" ? shellHint : meant}` }))
}

/** TARGET and the words of the command. `--` before TARGET or after it ends our options: then the words are explicit. */
const operandsOf = (rest: ReadonlyArray<string>, isWithout: boolean) => {
  const isAfter = rest[0] === "--"
  const given = isAfter ? rest.slice(1) : rest
  if (isWithout) return { target: undefined, words: given, isExplicit: true }
  const [target, ...others] = given
  const isBetween = !isAfter && others[0] === "--"
  return { target, words: isBetween ? others.slice(1) : others, isExplicit: isAfter || isBetween }
}

/** Fails if the first word after TARGET is an option of task-exec: no program has such a name. */
const checkMisplaced = (before: ReadonlyArray<string>, target: string, words: ReadonlyArray<string>) => {
  const [first = ""] = words
  const { flags, next } = scanFlags(words, execFlags)
  if (!flags.some((flag) => Object.hasOwn(execFlags, flag.replace(/^--|=.*/gs, "")))) return Effect.void
  const line = ["task-exec", ...before, ...words.slice(0, next), target, ...words.slice(next)].join(" ")
  const detail = `${first} is an option of task-exec and must come before TARGET: ${line} (to run a program named ${first}: task-exec ${target} -- ${first})${meantVerb(target)}`
  return Effect.fail(new UsageError({ detail }))
}

const isVia = Schema.is(Via)

const readLines = (file: string): Effect.Effect<ReadonlyArray<string>, UsageError> =>
  Effect.try({
    try: () =>
      readFileSync(file, "utf8")
        .split(/\r?\n/)
        .filter((line) => line !== "" && !line.startsWith("#")),
    catch: (error) =>
      new UsageError({
        detail: `cannot read --env-file ${file}: ${reasonOf(error)}`
      })
  })

const addVariable = (
  env: Record<string, string>,
  text: string,
  environment: Readonly<Record<string, string | undefined>>,
  where: string
): Effect.Effect<void, UsageError> =>
  Effect.suspend(() => {
    const at = text.indexOf("=")
    const name = at < 0 ? text : text.slice(0, at)
    if (name === "" || /\s/.test(name)) {
      return new UsageError({ detail: `invalid variable name ${JSON.stringify(name)} in ${where}` })
    }
    const value = at < 0 ? environment[name] : text.slice(at + 1)
    if (value !== undefined) env[name] = value
    return Effect.void
  })

const isSignal = Schema.is(Signal)

/** `TERM`, `SIGTERM`, `term`. */
const parseSignal = (text: string): Effect.Effect<Signal, UsageError> =>
  Effect.suspend(() => {
    const name = `SIG${text.toUpperCase().replace(/^SIG/, "")}`
    const known = oneOf(Signal.literals.map((signal) => signal.slice(3)))
    return isSignal(name)
      ? Effect.succeed(name)
      : new UsageError({ detail: `invalid signal ${JSON.stringify(text)}: expected ${known}` })
  })

const parseTimeout = (text: string) =>
  Effect.map(parseTime("timeout", text), (time) => (Duration.isZero(time) ? ("none" as const) : time))
