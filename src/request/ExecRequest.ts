/** What is to be run where: the one input of the library. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { defaultDetachKeys, parseDetachKeys } from "../executor/DetachKeys.ts"
import type { ExecSpec, Signal, TerminalSize } from "../executor/ExecSpec.ts"
import type { ExecInput } from "../executor/Executor.ts"
import { callerDeniesByDefault, withCallerDefault } from "../policy/Permission.ts"
import type { ResolvedTask } from "../target/ResolvedTask.ts"
import { type InvalidTarget, parseTarget, type Target } from "../target/Target.ts"
import type { Via } from "./Via.ts"

/**
 * What is to be run where. All but `target` and `command` may be left out.
 *
 * @example
 * ```ts
 * import type { ExecRequest } from "task-exec"
 *
 * const request: ExecRequest = { target: "web.2", command: ["nginx", "-s", "reload"], timeout: "30 seconds" }
 * ```
 */
export interface ExecRequest {
  /** `web`, `web.2`, `web@node-3`, a task ID or a container ID; see `Target`. */
  readonly target: string
  /**
   * Wait for the task, at most this long: until it runs and is healthy, and is what its service is to be after an update.
   * Default: it must run now.
   */
  readonly wait?: Duration.Input
  /** Program and arguments. No shell is involved: for one, run `["sh", "-c", "…"]`. */
  readonly command: ReadonlyArray<string>
  /** Added to the container's environment. */
  readonly env?: Readonly<Record<string, string>>
  /** `name|uid[:group|gid]`; default: the container's own user. */
  readonly user?: string
  /** Working directory in the container; default: the container's own. */
  readonly workdir?: string
  /** Give the command all capabilities; default `false`. */
  readonly privileged?: boolean
  /**
   * What the command reads; without, it reads nothing. Its end is the end of the command's stdin. It is pulled only as fast
   * as the command reads.
   */
  readonly stdin?: Stream.Stream<Uint8Array>
  /** Give the command a terminal; its stdout and stderr are one then. */
  readonly tty?: TtyRequest
  /** Start the command and don't wait for it: no output and no exit code. Default `false`. */
  readonly detach?: boolean
  /**
   * Kills the command and every process it started after this time. Default `"none"`: the command may take as long as it needs. If the
   * caller's machine dies, a command on another node then runs until it ends, or until a later run or `task-exec gc` removes its helper,
   * which is possible 12 minutes after the caller's last sign of life.
   */
  readonly timeout?: Duration.Input | "none"
  /** What the command is sent first when it is to be ended; default `SIGTERM`. */
  readonly signal?: Signal
  /** Time between that signal and KILL; default 10 seconds. */
  readonly grace?: Duration.Input
  /**
   * Signals for the command and everything that it started, once it runs. Whatever is still alive a grace period after a
   * signal is killed; the run goes on until its end.
   */
  readonly signals?: Stream.Stream<Signal>
  /** The route to the node; default `auto`. */
  readonly via?: Via
  /** Image of the helper; default: that of the `TaskExec` layer. */
  readonly image?: string
  /** How long Swarm may take to give a helper to the node; default 30 seconds. */
  readonly placementTimeout?: Duration.Input
}

/** The terminal of a command. */
export interface TtyRequest {
  /** Its size at the start. */
  readonly size: TerminalSize
  /** Its size whenever it changes. */
  readonly sizes?: Stream.Stream<TerminalSize>
  /**
   * Keys in `stdin` that let go of the command and leave it running, as docker writes them; default `ctrl-p,ctrl-q`, `""` for
   * none.
   */
  readonly detachKeys?: string
}

/** A part of the request can't be. */
export class InvalidRequest extends Schema.TaggedError<InvalidRequest>()("InvalidRequest", {
  detail: Schema.String
}) {
  override get message(): string {
    return `invalid request: ${this.detail}`
  }
}

/** What is to be run, wherever it is. */
export type CommandRequest = Omit<ExecRequest, "target" | "wait">

/** A {@link CommandRequest} that was looked through, with its defaults filled in; times in milliseconds. */
export interface CheckedCommand {
  readonly command: readonly [string, ...ReadonlyArray<string>]
  readonly env: ReadonlyArray<string>
  readonly user: string | undefined
  readonly workdir: string | undefined
  readonly privileged: boolean
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
  /** Nothing is to be run in a task without a label that allows it. */
  readonly denyDefault: boolean
}

/** The same, with where. */
export interface CheckedRequest extends CheckedCommand {
  readonly target: Target
  readonly wait: number | undefined
}

/** Looks a request through; nothing of it has been done when it fails. */
export const checkRequest = Effect.fnUntraced(function* ({
  target,
  wait,
  ...request
}: ExecRequest): Effect.fn.Return<CheckedRequest, InvalidRequest | InvalidTarget> {
  const parsed = yield* Effect.fromResult(parseTarget(target))
  const patience = wait === undefined ? undefined : yield* millis("wait", wait)
  return { ...(yield* checkCommand(request)), target: parsed, wait: patience }
})

/** The same for a command without a target. */
export const checkCommand = Effect.fnUntraced(function* (
  request: CommandRequest
): Effect.fn.Return<CheckedCommand, InvalidRequest> {
  const [program, ...words] = request.command
  if (program === undefined || program === "") return yield* new InvalidRequest({ detail: "there is no command" })
  const texts = [...request.command, request.user ?? "", request.workdir ?? "", ...Object.values(request.env ?? {})]
  if (texts.some((text) => text.includes("\0"))) {
    return yield* new InvalidRequest({ detail: "no argument or variable can hold a NUL character" })
  }
  const env: Array<string> = []
  for (const [name, value] of Object.entries(request.env ?? {})) {
    if (name === "" || /[=\0]/.test(name)) {
      return yield* new InvalidRequest({ detail: `${JSON.stringify(name)} is no name of a variable` })
    }
    env.push(`${name}=${value}`)
  }
  const { detach = false, stdin = Stream.empty, timeout = "none", tty } = request
  const detachKeys = tty?.detachKeys ?? defaultDetachKeys
  yield* Result.match(parseDetachKeys(detachKeys), {
    onFailure: ({ message }) => Effect.fail(new InvalidRequest({ detail: message })),
    onSuccess: () => Effect.void
  })
  return {
    command: [program, ...words],
    env,
    user: request.user,
    workdir: request.workdir,
    privileged: request.privileged ?? false,
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

/** What the environment says. */
export const checkDenyDefault: Effect.Effect<boolean, InvalidRequest> = Effect.mapError(
  callerDeniesByDefault,
  () => new InvalidRequest({ detail: "TASK_EXEC_DENY_DEFAULT is true or false" })
)

/** What an Executor is asked to do for it in a task's container. */
export const specOf = (runId: string, { container, policy }: ResolvedTask, command: CheckedCommand): ExecSpec => ({
  runId,
  container,
  policy: withCallerDefault(policy, command.denyDefault),
  command: command.command,
  env: command.env,
  privileged: command.privileged,
  detach: command.detach,
  stdin: command.stdin,
  ...(command.tty === undefined ? {} : { tty: command.tty }),
  signal: command.signal,
  grace: command.grace,
  ...(command.user === undefined ? {} : { user: command.user }),
  ...(command.workdir === undefined ? {} : { workdir: command.workdir }),
  ...(command.timeout === undefined ? {} : { timeout: command.timeout })
})

const millis = (name: string, input: Duration.Input): Effect.Effect<number, InvalidRequest> => {
  const value = Duration.toMillis(Duration.fromInputUnsafe(input))
  return Number.isFinite(value) && value >= 0
    ? Effect.succeed(value)
    : Effect.fail(new InvalidRequest({ detail: `${name} is no length of time` }))
}
