/** Requests to run a command. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import { type Action, wordsOfAction } from "../executor/Action.ts"
import { defaultDetachKeys, parseDetachKeys } from "../executor/DetachKeys.ts"
import type { ExecSpec, OneOffSpec, Signal, TerminalSize, ToolboxSpec } from "../executor/ExecSpec.ts"
import type { ExecInput } from "../executor/Executor.ts"
import { callerDeniesByDefault, withCallerDefault } from "../policy/Permission.ts"
import type { ResolvedTask } from "../target/ResolvedTask.ts"
import { type InvalidTarget, parseTarget, type Target } from "../target/Target.ts"
import { type ActionRequest, checkAction } from "./ActionRequest.ts"
import { InvalidRequest } from "./InvalidRequest.ts"
import { type CheckedOneOff, checkedOneOff, invalidOneOff, type OneOffRequest, runProgram } from "./OneOffRequest.ts"
import type { Via } from "./Via.ts"

/**
 * A command and the task to run it in. Only `target` and `command` are required.
 *
 * @example
 * ```ts
 * import type { ExecRequest } from "task-exec"
 *
 * const request: ExecRequest = { target: "web.2", command: ["nginx", "-s", "reload"], timeout: "30 seconds" }
 * ```
 *
 * @category requests
 * @since 0.1.0
 */
export interface ExecRequest {
  /** `web`, `web.2`, `web@node-3`, a task ID or a container ID; see `Target`. */
  readonly target: string
  /**
   * Wait at most this long until the task is healthy and runs the current service spec. Default: the task must run already. For a one-off
   * task: the time within which it must run, including the pull of its image; default 5 minutes.
   */
  readonly wait?: Duration.Input
  /**
   * Program and arguments. No shell is involved; to use one, run `["sh", "-c", "…"]`. In a one-off task, these are the arguments of the
   * image's entrypoint, and `[]` means the service's own arguments.
   */
  readonly command: ReadonlyArray<string>
  /**
   * Perform this action instead of running a command: see `TaskExec.logs` and `TaskExec.signal`. `command` is then `[]`, and the options of
   * a command are not allowed.
   */
  readonly action?: ActionRequest
  /** Variables to add to the container's environment. */
  readonly env?: Readonly<Record<string, string>>
  /** `name|uid[:group|gid]`; default: the container's own user. */
  readonly user?: string
  /** Working directory in the container; default: the container's own. */
  readonly workdir?: string
  /**
   * Run the command in a second container, for images without a shell. That container shares the task's processes, network and volumes,
   * runs as root unless `user` says otherwise, and has the capability `SYS_PTRACE`. The task's root file system is at `/proc/1/root`. The
   * container is removed when the command has ended. The policy label must allow `debug`. Not for detached commands.
   */
  readonly toolbox?: ToolboxRequest
  /**
   * Run the command in a new task of the target's service (`web` or `web@node-3`) instead of a running task. The new task has the service's
   * image, environment, secrets, configs, networks, mounts, user, placement and resources, but not its ports, aliases, labels and health
   * check. It is removed when the command has ended. The policy label must allow `run`. Not for detached or privileged commands.
   */
  readonly oneOff?: OneOffRequest
  /** Give the command all capabilities; default `false`. */
  readonly privileged?: boolean
  /**
   * The command's stdin, with backpressure and EOF. Default: no input.
   */
  readonly stdin?: Stream.Stream<Uint8Array>
  /** Give the command a terminal. Its stdout and stderr are then one stream. */
  readonly tty?: TtyRequest
  /** Start the command and don't wait for it: no output and no exit code. Default `false`. */
  readonly detach?: boolean
  /**
   * Kills the command and every process it started after this time. Default `"none"`: the command may take as long as it needs. If the
   * caller's machine dies, a command on another node then runs until it ends, or until a later run or `task-exec gc` removes its helper,
   * which is possible 12 minutes after the caller's last sign of life.
   */
  readonly timeout?: Duration.Input | "none"
  /** The signal that is sent first when the command is killed; default `SIGTERM`. */
  readonly signal?: Signal
  /** The grace period between that signal and KILL; default 10 seconds. */
  readonly grace?: Duration.Input
  /**
   * Signals to send to the command and all its child processes while it runs. Processes that are still alive a grace period after a signal
   * are killed. The run continues until the command has ended.
   */
  readonly signals?: Stream.Stream<Signal>
  /** The route to the node; default `auto`. */
  readonly via?: Via
  /** Image of the helper; default: that of the `TaskExec` layer. */
  readonly image?: string
  /** The time within which the node must accept a helper; default 30 seconds. */
  readonly placementTimeout?: Duration.Input
}

/**
 * The container beside the task in which a command runs.
 *
 * @category requests
 * @since 0.2.0
 */
export interface ToolboxRequest {
  /** Any image that has the program `cat`, such as `busybox`. The node pulls it with the credentials of the caller's `docker login`. */
  readonly image: string
}

/**
 * The terminal of a command.
 *
 * @category requests
 * @since 0.1.0
 */
export interface TtyRequest {
  /** The size at the start. */
  readonly size: TerminalSize
  /** The new size, whenever it changes. */
  readonly sizes?: Stream.Stream<TerminalSize>
  /**
   * Keys in `stdin` that detach from the command, in docker's syntax; default `ctrl-p,ctrl-q`, `""` for none.
   */
  readonly detachKeys?: string
}

/**
 * A command without a target: the part that requests for one task and for many tasks share.
 *
 * **Details**: has no `oneOff`, because a one-off task needs a target.
 *
 * @category requests
 * @since 0.2.0
 */
export type CommandRequest = Omit<ExecRequest, "target" | "wait" | "oneOff">

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
