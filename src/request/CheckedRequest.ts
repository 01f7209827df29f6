/** Validates requests to run a command. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import { type Action, wordsOfAction } from "../executor/Action.ts"
import { defaultDetachKeys, parseDetachKeys } from "../executor/DetachKeys.ts"
import type { ExecInput } from "../executor/ExecEvent.ts"
import type { ExecSpec, OneOffSpec, Signal, ToolboxSpec } from "../executor/ExecSpec.ts"
import { callerDeniesByDefault, withCallerDefault } from "../policy/Permission.ts"
import type { ResolvedTask } from "../target/ResolvedTask.ts"
import { type InvalidTarget, parseTarget, type Target } from "../target/Target.ts"
import { checkAction } from "./ActionRequest.ts"
import type { CommandRequest, ExecRequest } from "./ExecRequest.ts"
import { InvalidRequest } from "./InvalidRequest.ts"
import { type CheckedOneOff, checkedOneOff, invalidOneOff, runProgram } from "./OneOffRequest.ts"
import type { Via } from "./Via.ts"

/** The toolbox of a validated command. `Forward`: the process that connects to the task's ports. */
export type CheckedToolbox = { readonly _tag: "Debug"; readonly image: string } | { readonly _tag: "Forward" }

/** A validated {@link CommandRequest} with its defaults. Times are in milliseconds. */
export interface CheckedCommand {
  readonly command: readonly [string, ...ReadonlyArray<string>]
  readonly action: Action | undefined
  readonly env: ReadonlyArray<string>
  readonly user: string | undefined
  readonly workdir: string | undefined
  readonly privileged: boolean
  readonly toolbox: CheckedToolbox | undefined
  readonly oneOff: CheckedOneOff | undefined
  /** The command of a one-off task, once its service is known. */
  readonly oneOffCommand?: OneOffSpec
  readonly detach: boolean
  /** Whether the command has input. A detached command has none. */
  readonly stdin: boolean
  readonly tty: ExecSpec["tty"] | undefined
  readonly input: ExecInput
  readonly timeout: number | undefined
  readonly signal: Signal
  readonly grace: number
  readonly signals: Stream.Stream<Signal>
  readonly via: Via
  readonly image: string | undefined
  readonly placementTimeout: number
  /** Whether commands in tasks without a label that allows them are denied. */
  readonly denyDefault: boolean
}

/** A validated command together with its target. */
export interface CheckedRequest extends CheckedCommand {
  readonly target: Target
  readonly wait: number | undefined
}

/** Validates a request and fills in defaults. Has no side effects. */
export const checkRequest = Effect.fnUntraced(function* ({
  target,
  wait,
  ...request
}: ExecRequest): Effect.fn.Return<CheckedRequest, InvalidRequest | InvalidTarget> {
  const parsed = yield* Effect.fromResult(parseTarget(target))
  const waitMillis = wait === undefined ? undefined : yield* millis("wait", wait)
  return { ...(yield* checkCommand(request)), target: parsed, wait: waitMillis }
})

/** Validates a command without a target. */
export const checkCommand = Effect.fnUntraced(function* (
  request: CommandRequest & Pick<ExecRequest, "oneOff">
): Effect.fn.Return<CheckedCommand, InvalidRequest> {
  const { oneOff } = request
  const action = request.action === undefined ? undefined : yield* checkAction(request.action)
  const given = oneOff === undefined ? request.command : ([runProgram, ...request.command] as const)
  const [program, ...words] = action === undefined ? given : wordsOfAction(action)
  if (program === undefined || program === "") return yield* new InvalidRequest({ detail: "the command is empty" })
  const texts = [...request.command, request.user ?? "", request.workdir ?? "", ...Object.values(request.env ?? {})]
  if (texts.some((text) => text.includes("\0"))) {
    return yield* new InvalidRequest({ detail: "arguments and variables must not contain NUL characters" })
  }
  const env: Array<string> = []
  for (const [name, value] of Object.entries(request.env ?? {})) {
    if (name === "" || /[=\0]/.test(name)) {
      return yield* new InvalidRequest({ detail: `${JSON.stringify(name)} is not a valid variable name` })
    }
    env.push(`${name}=${value}`)
  }
  const { detach = false, stdin = Stream.empty, timeout = "none", toolbox, tty } = request
  if (toolbox !== undefined && detach) {
    return yield* new InvalidRequest({
      detail: "a command in a toolbox cannot be detached: the toolbox ends with its caller"
    })
  }
  if (
    action !== undefined &&
    (detach || request.stdin !== undefined || toolbox !== undefined || oneOff !== undefined || tty !== undefined)
  ) {
    return yield* new InvalidRequest({
      detail: "an action has no input, terminal, toolbox or one-off task, and cannot be detached"
    })
  }
  if (oneOff !== undefined) {
    const problem =
      detach || toolbox !== undefined || request.privileged === true
        ? "a command in a one-off task cannot be detached or privileged, and has no toolbox"
        : invalidOneOff(oneOff)
    if (problem !== undefined) return yield* new InvalidRequest({ detail: problem })
  }
  // A user can't detach from a command in a toolbox or a one-off task, because these end with their caller.
  const detachKeys = toolbox === undefined && oneOff === undefined ? (tty?.detachKeys ?? defaultDetachKeys) : ""
  yield* Result.match(parseDetachKeys(detachKeys), {
    onFailure: ({ message }) => Effect.fail(new InvalidRequest({ detail: message })),
    onSuccess: () => Effect.void
  })
  return {
    command: [program, ...words],
    action,
    env,
    user: request.user,
    workdir: request.workdir,
    privileged: request.privileged ?? false,
    toolbox: toolbox === undefined ? undefined : { _tag: "Debug", image: toolbox.image },
    oneOff: oneOff === undefined ? undefined : checkedOneOff(oneOff, request.command),
    detach,
    stdin: request.stdin !== undefined && !detach,
    tty: tty === undefined ? undefined : { size: tty.size, detachKeys },
    input: { stdin, sizes: tty?.sizes ?? Stream.empty },
    timeout: timeout === "none" ? undefined : yield* millis("timeout", timeout),
    signal: request.signal ?? "SIGTERM",
    signals: request.signals ?? Stream.empty,
    grace: yield* millis("grace", request.grace ?? "10 seconds"),
    via: request.via ?? "auto",
    image: request.image,
    placementTimeout: yield* millis("placementTimeout", request.placementTimeout ?? "30 seconds"),
    denyDefault: yield* checkDenyDefault
  }
})

/** Fails if the request wants a one-off task: only requests with a single target can have one. */
export const checkNoOneOff = ({ oneOff }: CheckedCommand): Effect.Effect<void, InvalidRequest> =>
  oneOff === undefined
    ? Effect.void
    : Effect.fail(new InvalidRequest({ detail: "a one-off task needs the service as its only target" }))

/** Whether the caller's environment denies commands by default. */
export const checkDenyDefault: Effect.Effect<boolean, InvalidRequest> = Effect.mapError(
  callerDeniesByDefault,
  () => new InvalidRequest({ detail: "TASK_EXEC_DENY_DEFAULT must be true or false" })
)

/** Returns the spec of a command in a task's container, for an executor. */
export const specOf = (
  runId: string,
  { container, policy }: ResolvedTask,
  command: CheckedCommand,
  toolbox?: ToolboxSpec
): ExecSpec => ({
  runId,
  container,
  policy: withCallerDefault(policy, command.denyDefault),
  command: command.command,
  ...(command.action === undefined ? {} : { action: command.action }),
  env: command.env,
  privileged: command.privileged,
  detach: command.detach,
  stdin: command.stdin,
  ...(toolbox === undefined ? {} : { toolbox }),
  ...(command.oneOffCommand === undefined ? {} : { oneOff: command.oneOffCommand }),
  ...(command.tty === undefined ? {} : { tty: command.tty }),
  signal: command.signal,
  grace: command.grace,
  ...(command.user === undefined ? {} : { user: command.user }),
  ...(command.workdir === undefined ? {} : { workdir: command.workdir }),
  ...(command.timeout === undefined ? {} : { timeout: command.timeout })
})

/** Converts a duration to milliseconds. Fails if it is negative, infinite or invalid: callers without type checks can pass anything. */
export const millis = (name: string, input: Duration.Input): Effect.Effect<number, InvalidRequest> => {
  const value = Number.isNaN(input) ? undefined : Option.getOrUndefined(Duration.fromInput(input))
  const result = value === undefined ? Number.NaN : Duration.toMillis(value)
  if (Number.isFinite(result) && result >= 0) return Effect.succeed(result)
  const shown = typeof input === "string" ? JSON.stringify(input) : typeof input === "object" ? "an object" : `${input}`
  return Effect.fail(new InvalidRequest({ detail: `${name} must be a duration such as "90 seconds", not ${shown}` }))
}
