/** Verbs whose command lines are read as that of `task-exec exec`: options, TARGET, and the words of a command. */
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
import { chooseEngine, type EngineChoice } from "../command/EngineChoice.ts"
import { type Flags, type ReadFlags, readScanned, scanFlags, scanLine } from "../command/Flags.ts"
import type { CommandHelp } from "../command/Help.ts"
import { oneOf, parseTime, UsageError } from "../command/Usage.ts"
import { type FleetInvocation, isWithoutTarget, parseFleet } from "../fleet/FleetArgs.ts"
import { isLogFormat, type LogFormat, logFormats } from "../LineLogger.ts"
import { execFlags } from "./ExecFlags.ts"
import { type VerbName, verbNames } from "./VerbNames.ts"

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

/** A verb. */
export interface ExecVerb {
  readonly name: VerbName
  readonly help: CommandHelp
  readonly flags: Flags
  /** Reads a command line. `environment` has the values of variables that are given without one. */
  readonly parse: (argv: ReadonlyArray<string>, environment: Environment) => Effect.Effect<Invocation, UsageError>
}

/** Environment variables. */
export type Environment = Readonly<Record<string, string | undefined>>

/** A command line, without its flags. */
export interface Operands {
  readonly verb: VerbName
  /** `undefined` if flags select the tasks. */
  readonly target: string | undefined
  /** The words after TARGET. */
  readonly words: ReadonlyArray<string>
  /** Whether the command gets a terminal. */
  readonly tty: boolean
  /** Whether the line only lists the selected tasks. */
  readonly list: boolean
  /** The values of the flags of `exec`. */
  readonly common: ExecValues
  readonly environment: Environment
}

/** What a verb requests. Its variables are those that the command line does not set. */
export type Aim = Pick<CommandRequest, "command"> & Partial<CommandRequest> & Pick<ExecRequest, "oneOff" | "wait">

/** The name of a flag of `exec`. */
export type ExecFlag = keyof typeof execFlags

/** What a verb differs in from `exec`. */
export interface ExecVerbOptions<Own extends Flags> {
  readonly name: VerbName
  readonly help: CommandHelp
  /** Its own flags. */
  readonly flags: Own
  /** The flags of `exec` that it does not have, with the reason. */
  readonly lacks: Partial<Readonly<Record<ExecFlag, string>>>
  /**
   * For a verb whose words are not a command: returns its TARGET and its other words. Flags may then stand anywhere. `isWithout`: flags
   * select the tasks, so that there is no TARGET.
   */
  readonly split?: (operands: ReadonlyArray<string>, isWithout: boolean) => Pick<Operands, "target" | "words">
  /** Flags for many tasks that make a fan-out of a single TARGET. */
  readonly single?: ReadonlyArray<ExecFlag>
  /** Returns the verb's request. */
  readonly aim: (line: Operands, own: ReadFlags<Own>["values"]) => Effect.Effect<Aim, UsageError>
}

/** Returns the flags of `exec`, without those that a verb lacks, and with its own. */
export const flagsOf = <Own extends Flags>(own: Own, lacks: object): Flags => ({
  ...Object.fromEntries(Object.entries(execFlags).filter(([name]) => !Object.hasOwn(lacks, name))),
  ...own
})

/** Makes a verb. */
export const execVerb = <const Own extends Flags>({
  aim,
  flags: own,
  help,
  lacks,
  name,
  single,
  split
}: ExecVerbOptions<Own>): ExecVerb => {
  const flags = flagsOf(own, lacks)
  const commandLine = Effect.fnUntraced(function* (argv: ReadonlyArray<string>, isWithout: boolean, at: number) {
    const { isExplicit, target, words } = operandsOf(argv.slice(at), isWithout)
    if (target === undefined || isExplicit) return { target, words }
    const program = name === "exec" ? ["task-exec"] : ["task-exec", name]
    yield* checkMisplaced(flags, program, argv.slice(0, at), target, words)
    return { target, words }
  })
  return {
    name,
    help,
    flags,
    parse: Effect.fnUntraced(function* (argv, environment) {
      const { operands, scanned } =
        split === undefined ? { operands: [], scanned: scanFlags(argv, flags) } : scanLine(argv, flags)
      yield* checkLacking(name, scanned.flags, flags, lacks)
      const isOwn = (flag: string) => Object.hasOwn(own, nameOf(flag))
      const common = { ...scanned, flags: scanned.flags.filter((flag) => !isOwn(flag)) }
      const { values } = yield* readScanned(common, execFlags)
      const { values: ownValues } = yield* readScanned({ ...scanned, flags: scanned.flags.filter(isOwn) }, own)
      if (values.help === true) return { _tag: "Help" }
      if (values.version === true || values.v === true) return { _tag: "Version" }
      const isWithout = isWithoutTarget(values)
      const { target, words } =
        split === undefined ? yield* commandLine(argv, isWithout, scanned.next) : split(operands, isWithout)
      const line = {
        verb: name,
        target,
        words,
        tty: values.tty === true,
        list: values.list === true,
        environment,
        common: values
      }
      return yield* invocationOf(values, line, aim(line, ownValues), single)
    })
  }
}

/** `--name` of `--name=value`. */
const nameOf = (flag: string): string => flag.replace(/^--|=.*/gs, "")

/** Fails if a flag is one of `exec` that the verb lacks. */
const checkLacking = (
  verb: string,
  given: ReadonlyArray<string>,
  flags: Flags,
  lacks: Readonly<Record<string, string>>
): Effect.Effect<void, UsageError> => {
  for (const flag of given) {
    const { flags: meant } = scanFlags([flag], execFlags)
    const name = nameOf(meant[0] ?? "")
    if (Object.hasOwn(flags, nameOf(flag)) || !Object.hasOwn(lacks, name)) continue
    return Effect.fail(new UsageError({ detail: `--${name} does not work with ${verb}: ${lacks[name]}` }))
  }
  return Effect.void
}

type ExecValues = ReadFlags<typeof execFlags>["values"]

const invocationOf = Effect.fnUntraced(function* (
  values: ExecValues,
  { environment, target }: Operands,
  aim: Effect.Effect<Aim, UsageError>,
  single?: ReadonlyArray<ExecFlag>
): Effect.fn.Return<Invocation, UsageError> {
  const fleet = yield* parseFleet(values, target, single)
  if (fleet !== undefined && values.tty === true) {
    return yield* new UsageError({ detail: "-t needs a single task: many tasks cannot share a terminal" })
  }
  for (const flag of ["wait", "timings", "record"] as const) {
    if (fleet !== undefined && values[flag] !== undefined) {
      return yield* new UsageError({ detail: `--${flag} needs a single task` })
    }
  }
  if (target === undefined && fleet === undefined) return yield* missingTarget
  const { oneOff, wait: ownWait, ...aimed } = yield* aim
  const env: Record<string, string> = {}
  for (const file of values["env-file"] ?? []) {
    for (const line of yield* readLines(file)) yield* addVariable(env, line, environment, `--env-file ${file}`)
  }
  for (const text of values.env ?? []) yield* addVariable(env, text, environment, "--env")
  const { grace, image, signal, timeout, user, workdir } = values
  const placementTimeout = values["placement-timeout"]
  const via = values.via ?? "auto"
  if (!isVia(via)) {
    return yield* new UsageError({
      detail: `invalid route ${JSON.stringify(via)}: expected ${oneOf(Via.literals)}`
    })
  }
  const request: CommandRequest = {
    via,
    privileged: values.privileged ?? false,
    detach: values.detach ?? false,
    ...(user === undefined ? {} : { user }),
    ...(workdir === undefined ? {} : { workdir }),
    ...(image === undefined ? {} : { image }),
    ...(timeout === undefined ? {} : { timeout: yield* parseTimeout(timeout) }),
    ...(signal === undefined ? {} : { signal: yield* parseSignal(signal) }),
    ...(grace === undefined ? {} : { grace: yield* parseTime("grace period", grace) }),
    ...(placementTimeout === undefined
      ? {}
      : { placementTimeout: yield* parseTime("placement timeout", placementTimeout) }),
    ...aimed,
    env: { ...aimed.env, ...env }
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
  const time = values.wait === undefined ? ownWait : yield* parseTime("wait time", values.wait)
  const wait = time === undefined ? {} : { wait: time }
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
    request: { ...request, target, ...wait, ...(oneOff === undefined ? {} : { oneOff }) }
  }
})

/** The log format of a command line, even if the line is invalid. */
export const logFormatOf = (argv: ReadonlyArray<string>): LogFormat => {
  const named = scanFlags(argv, execFlags).flags.findLast((flag) => flag.startsWith("--log-format="))
  const format = named?.slice(named.indexOf("=") + 1)
  return isLogFormat(format) ? format : "text"
}

/** bash where the container has one, otherwise sh. */
const shell = ["sh", "-c", "command -v bash >/dev/null 2>&1 && exec bash; exec sh"]

/** Returns the command of a line: its words, or a shell if there are none and it has a terminal. Fails if the line has neither. */
export const commandOf = ({
  list,
  target,
  tty,
  verb,
  words
}: Operands): Effect.Effect<ReadonlyArray<string>, UsageError> => {
  if (words.length > 0 || (list && !tty)) return Effect.succeed(words)
  if (tty) return Effect.succeed(shell)
  const meant = verb === "exec" ? meantVerb(target) : ""
  const line = verb === "exec" ? "task-exec -it" : `task-exec ${verb} -it`
  const shellHint = target === undefined ? "" : `. To open a shell: ${line} ${target}`
  return Effect.fail(new UsageError({ detail: `COMMAND is missing${meant === "" ? shellHint : meant}` }))
}

const missingTarget = Effect.fail(new UsageError({ detail: "TARGET is missing: name a service or a task" }))

/** A target may be a mistyped verb. */
const meantVerb = (target: string | undefined): string => {
  const verb = target === undefined ? undefined : nearest(target, verbNames)
  return verb === undefined ? "" : `. Did you mean task-exec ${verb}?`
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
const checkMisplaced = (
  table: Flags,
  program: ReadonlyArray<string>,
  before: ReadonlyArray<string>,
  target: string,
  words: ReadonlyArray<string>
): Effect.Effect<void, UsageError> => {
  const [first = ""] = words
  const { flags, next } = scanFlags(words, table)
  if (!flags.some((flag) => Object.hasOwn(table, nameOf(flag)))) return Effect.void
  const line = [...program, ...before, ...words.slice(0, next), target, ...words.slice(next)].join(" ")
  const detail = `${first} is an option of task-exec and must come before TARGET: ${line} (to run a program named ${first}: ${[...program, target, "--", first].join(" ")})${meantVerb(target)}`
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
