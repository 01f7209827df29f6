/** Requests to run a command. */
import type * as Duration from "effect/Duration"
import type * as Stream from "effect/Stream"
import type { Signal, TerminalSize } from "../executor/ExecSpec.ts"
import type { ActionRequest } from "./ActionRequest.ts"
import type { OneOffRequest } from "./OneOffRequest.ts"
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
