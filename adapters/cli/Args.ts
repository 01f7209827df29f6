/** The command line of `task-exec`, and of every subcommand that is like it: docker's way, flags end at the target. */

import { readFileSync } from "node:fs"
import { type ParseArgsOptionsConfig, parseArgs } from "node:util"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { Signal } from "../../src/executor/ExecSpec.ts"
import type { CommandRequest, ExecRequest } from "../../src/request/ExecRequest.ts"
import { Via } from "../../src/request/Via.ts"
import type { AuditFlags } from "../audit/Auditing.ts"
import { chooseEngine, type EngineChoice } from "../command/EngineChoice.ts"
import { hasUnits, parseTime, UsageError } from "../command/Usage.ts"
import { type FleetInvocation, fleetHelp, fleetOptions, isWithoutTarget, parseFleet } from "../fleet/FleetArgs.ts"
import { isLogFormat, type LogFormat, logFormats } from "../LineLogger.ts"

/** What a command line asks for. */
export type Invocation =
  | { readonly _tag: "Help" }
  | { readonly _tag: "Version" }
  | {
      readonly _tag: "Exec"
      /** Without its stdin and terminal. */
      readonly request: ExecRequest
      /** Pass on what comes on stdin. */
      readonly interactive: boolean
      /** Give the command a terminal; the keys that let go of it. */
      readonly tty: { readonly detachKeys: string | undefined } | undefined
      readonly engine: EngineChoice
      /** No warnings on stderr, and no line that tells the stage. */
      readonly quiet: boolean
      /** Every stage on stderr, and whole causes for errors. */
      readonly debug: boolean
      readonly logFormat: LogFormat
      /** At the end, where the time went. */
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

/** The flags, for `parseArgs`. */
export const options = {
  ...fleetOptions,
  as: { type: "string" },
  "audit-file": { type: "string" },
  host: { type: "string", short: "H" },
  context: { type: "string" },
  env: { type: "string", short: "e", multiple: true },
  "env-file": { type: "string", multiple: true },
  user: { type: "string", short: "u" },
  workdir: { type: "string", short: "w" },
  privileged: { type: "boolean" },
  detach: { type: "boolean", short: "d" },
  "detach-keys": { type: "string" },
  interactive: { type: "boolean", short: "i" },
  tty: { type: "boolean", short: "t" },
  timeout: { type: "string" },
  grace: { type: "string" },
  signal: { type: "string" },
  image: { type: "string" },
  via: { type: "string" },
  "placement-timeout": { type: "string" },
  "log-format": { type: "string" },
  timings: { type: "boolean" },
  wait: { type: "string" },
  quiet: { type: "boolean", short: "q" },
  debug: { type: "boolean" },
  help: { type: "boolean", short: "h" },
  version: { type: "boolean" }
} satisfies ParseArgsOptionsConfig

/** How long `--wait` waits. */
const defaultWait = "60s"

/** bash where the container has one, otherwise sh. */
const shell = ["sh", "-c", "command -v bash >/dev/null 2>&1 && exec bash; exec sh"]

/** The text that `--help` prints. */
export const help = (program: string): string => `Usage: ${program} [OPTIONS] TARGET [COMMAND [ARG...]]

Run a command in the container of a Swarm task, on whichever node it is. With
-t and no command, the container's shell.

TARGET is a service with one task (web), a slot (web.2), a service's task on a
node (web@node-3; of a global service also web.NODE, as docker shows it), a task
ID or a container ID (a unique prefix is enough).

Options:
      --as NAME                  On whose behalf, for the audit file
      --audit-file FILE          Append a line of JSON that tells what was run,
                                 and how it ended (default: TASK_EXEC_AUDIT_FILE)
      --context NAME             The docker context to use
  -d, --detach                   Start the command and don't wait for it
      --detach-keys KEYS         Let go of the command (default ctrl-p,ctrl-q)
  -e, --env NAME[=VALUE]         Set a variable (without VALUE: as it is here)
      --env-file FILE            Set the variables in a file
      --grace TIME               Between --signal and KILL (default 10s)
  -H, --host ADDRESS             The manager to talk to, or several with commas
                                 (default: DOCKER_HOST, then the context)
      --image IMAGE              Image of the helper (default: TASK_EXEC_IMAGE)
  -i, --interactive              Pass on stdin
      --log-format FORMAT        Errors, warnings and steps on stderr as text
                                 (default) or json, a document for each line
      --placement-timeout TIME   For Swarm to place the helper (default 30s)
      --privileged               Give the command extended privileges
      --signal NAME              Sent first to end the command (default TERM)
      --timeout TIME             End the command after it (default 300s, with -t
                                 none; 0: never)
      --timings                  Tell on stderr where the time went
  -t, --tty                      Give the command a terminal
  -u, --user NAME|UID[:GROUP]    Run the command as this user
      --via ROUTE                auto (default), local, agent, helper
  -w, --workdir DIR              Working directory in the container
  -q, --quiet                    No warnings, and no line that tells the stage
      --wait[=TIME]              Wait for the task to run, healthy and updated
                                 (default 60s); a TIME with a unit may be a word
                                 of its own (--wait 5m)
      --debug                    Tell every step on stderr
      --help, --version

${fleetHelp}
TIME is a number of seconds, or like 500ms, 90s, 5m, 1h30m.
Exit code: the command's own; 124 timed out and killed, 125 task-exec failed,
126 the command could not be started, 2 wrong usage, 130/143/129 interrupted;
of many tasks, the largest of theirs.
`

/** Reads a command line. `environment` is where variables without a value come from. */
export const parseInvocation = Effect.fnUntraced(function* (
  argv: ReadonlyArray<string>,
  environment: Readonly<Record<string, string | undefined>>
): Effect.fn.Return<Invocation, UsageError> {
  const { doubtful, flags, operands } = splitAtTarget(argv)
  if (doubtful !== undefined) {
    const detail = `--wait ${doubtful}: for a time write --wait=${doubtful}, for a target --wait=${defaultWait} ${doubtful}`
    return yield* new UsageError({ detail })
  }
  const { values } = yield* Effect.try({
    try: () => parseArgs({ args: [...flags], options, strict: true, allowPositionals: false }),
    catch: (error) => new UsageError({ detail: explain(error) })
  })
  if (values.help === true) return { _tag: "Help" }
  if (values.version === true) return { _tag: "Version" }
  const [target, words] = isWithoutTarget(values) ? [undefined, operands] : [operands[0], operands.slice(1)]
  const fleet = yield* parseFleet(values, target)
  if (fleet !== undefined && values.tty === true) {
    return yield* new UsageError({ detail: "-t is for one task: many have no terminal in common" })
  }
  for (const flag of ["wait", "timings"] as const) {
    if (fleet !== undefined && values[flag] !== undefined) {
      return yield* new UsageError({ detail: `--${flag} is for one task` })
    }
  }
  if (target === undefined && fleet === undefined) return yield* missingTarget
  const command = words.length === 0 && values.tty === true ? shell : words
  if (command.length === 0 && fleet?.list !== true)
    return yield* new UsageError({ detail: "which command? COMMAND is missing" })
  const env: Record<string, string> = {}
  for (const file of values["env-file"] ?? []) {
    for (const line of yield* readLines(file)) yield* addVariable(env, line, environment, `--env-file ${file}`)
  }
  for (const text of values.env ?? []) yield* addVariable(env, text, environment, "--env")
  const { grace, signal, timeout, user, workdir, image } = values
  const placementTimeout = values["placement-timeout"]
  const via = values.via ?? "auto"
  if (!isVia(via)) {
    return yield* new UsageError({ detail: `--via ${via}: use ${Via.literals.join(", ")}` })
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
    ...(timeout === undefined ? {} : { timeout: yield* parseTimeout(timeout) }),
    ...(signal === undefined ? {} : { signal: yield* parseSignal(signal) }),
    ...(grace === undefined ? {} : { grace: yield* parseTime("--grace", grace) }),
    ...(placementTimeout === undefined
      ? {}
      : { placementTimeout: yield* parseTime("--placement-timeout", placementTimeout) })
  }
  const logFormat = values["log-format"] ?? "text"
  if (!isLogFormat(logFormat)) {
    return yield* new UsageError({ detail: `--log-format ${logFormat}: use ${logFormats.join(" or ")}` })
  }
  const common = {
    logFormat,
    engine: yield* chooseEngine(values.host, values.context),
    quiet: values.quiet ?? false,
    debug: values.debug ?? false,
    interactive: values.interactive ?? false,
    audit: { file: values["audit-file"], as: values.as }
  }
  if (target === undefined || fleet !== undefined) {
    return fleet === undefined ? yield* missingTarget : { _tag: "Fleet", ...common, request, fleet }
  }
  const wait = values.wait === undefined ? {} : { wait: yield* parseTime("--wait", values.wait) }
  const tty = values.tty === true ? { detachKeys: values["detach-keys"] } : undefined
  return { _tag: "Exec", ...common, timings: values.timings ?? false, tty, request: { ...request, target, ...wait } }
})

/** What a command line says of it, even if something else in it is wrong. */
export const logFormatOf = (argv: ReadonlyArray<string>): LogFormat => {
  const { values } = parseArgs({ args: [...splitAtTarget(argv).flags], options, strict: false })
  const named = values["log-format"]
  return isLogFormat(named) ? named : "text"
}

const missingTarget = Effect.fail(new UsageError({ detail: "which task? TARGET is missing" }))

const isVia = Schema.is(Via)

/** The two halves of a command line. */
interface Split {
  readonly flags: ReadonlyArray<string>
  readonly operands: ReadonlyArray<string>
  /** A number behind `--wait`: it could be a time as well as a target. */
  readonly doubtful?: string
}

/** No ID that is cut to so few digits is likely to be unique. */
const shortNumber = /^\d{1,5}(?:\.\d+)?$/

/** Flags end at the first word that is none, as in `docker exec`: what follows belongs to the command. */
const splitAtTarget = (argv: ReadonlyArray<string>): Split => {
  // `--wait` may stand alone, which parseArgs has no way to say.
  const args = argv.map((word) => (word === "--wait" ? `--wait=${defaultWait}` : word))
  const { tokens } = parseArgs({ args, options, strict: false, allowPositionals: true, tokens: true })
  const at = tokens.findIndex((token) => token.kind !== "option")
  const end = tokens[at]
  if (end === undefined) return { flags: args, operands: [] }
  const before = tokens[at - 1]
  if (
    end.kind === "positional" &&
    before?.kind === "option" &&
    before.name === "wait" &&
    argv[before.index] === "--wait"
  ) {
    if (hasUnits(end.value)) {
      return splitAtTarget([...argv.slice(0, before.index), `--wait=${end.value}`, ...argv.slice(end.index + 1)])
    }
    if (shortNumber.test(end.value)) return { flags: args.slice(0, end.index), operands: [], doubtful: end.value }
  }
  const rest = argv.slice(end.kind === "option-terminator" ? end.index + 1 : end.index)
  // `TARGET -- COMMAND` as well as `-- TARGET COMMAND`.
  const operands = end.kind === "positional" && rest[1] === "--" ? [...rest.slice(0, 1), ...rest.slice(2)] : rest
  return { flags: args.slice(0, end.index), operands }
}

const explain = (error: unknown): string => {
  const text = error instanceof Error ? error.message : String(error)
  const unknown = /^Unknown option '(-?-?[^']+)'/.exec(text)?.[1]
  if (unknown !== undefined) return `unknown option ${unknown}`
  return text.split(". ")[0] ?? text
}

const readLines = (file: string): Effect.Effect<ReadonlyArray<string>, UsageError> =>
  Effect.try({
    try: () =>
      readFileSync(file, "utf8")
        .split(/\r?\n/)
        .filter((line) => line !== "" && !line.startsWith("#")),
    catch: (error) =>
      new UsageError({ detail: `--env-file ${file}: ${error instanceof Error ? error.message : String(error)}` })
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
      return new UsageError({ detail: `${where}: ${JSON.stringify(name)} is no name of a variable` })
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
    const known = Signal.literals.map((signal) => signal.slice(3)).join(", ")
    return isSignal(name) ? Effect.succeed(name) : new UsageError({ detail: `--signal ${text}: use one of ${known}` })
  })

const parseTimeout = (text: string) =>
  Effect.map(parseTime("--timeout", text), (time) => (Duration.isZero(time) ? ("none" as const) : time))
