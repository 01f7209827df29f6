/** A parsed command line: what to run, and how to show it. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { Signal } from "../../src/executor/ExecSpec.ts"
import type { CommandRequest, ExecRequest } from "../../src/request/ExecRequest.ts"
import { Via } from "../../src/request/Via.ts"
import type { AuditFlags } from "../audit/Auditing.ts"
import { chooseEngine, type EngineChoice } from "../command/EngineChoice.ts"
import { scanFlags } from "../command/Flags.ts"
import { oneOf, parseTime, UsageError } from "../command/Usage.ts"
import { type FleetInvocation, parseFleet } from "../fleet/FleetArgs.ts"
import { isLogFormat, type LogFormat, logFormats } from "../LineLogger.ts"
import { type ExecFlag, execFlags } from "./ExecFlags.ts"
import type { CommandLine } from "./Operands.ts"
import { variablesOf } from "./Variables.ts"

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

/** What a verb requests. Its variables are those that the command line does not set. */
export type VerbRequest = Pick<CommandRequest, "command"> &
  Partial<CommandRequest> &
  Pick<ExecRequest, "oneOff" | "wait">

/**
 * Returns the invocation of a command line. `verbRequest` is run only if the line names tasks; otherwise `missing` is the error. `single`:
 * flags that make a fan-out of a single target.
 */
export const invocationOf = Effect.fnUntraced(function* (
  { environment, target, values }: CommandLine,
  verbRequest: Effect.Effect<VerbRequest, UsageError>,
  missing: UsageError,
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
  const destination = fleet ?? target
  if (destination === undefined) return yield* missing
  const { oneOff, wait: ownWait, ...own } = yield* verbRequest
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
    ...own,
    env: { ...own.env, ...(yield* variablesOf(values, environment)) }
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
  if (typeof destination !== "string") return { _tag: "Fleet", ...common, request, fleet: destination }
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
    request: { ...request, target: destination, ...wait, ...(oneOff === undefined ? {} : { oneOff }) }
  }
})

/** The log format of a command line, even if the line is invalid. */
export const logFormatOf = (argv: ReadonlyArray<string>): LogFormat => {
  const named = scanFlags(argv, execFlags).flags.findLast((flag) => flag.startsWith("--log-format="))
  const format = named?.slice(named.indexOf("=") + 1)
  return isLogFormat(format) ? format : "text"
}

const isVia = Schema.is(Via)

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
