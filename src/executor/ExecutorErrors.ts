/** The errors of a command on its node. They are schemas, because they travel between nodes. */
import * as Schema from "effect/Schema"
import { EngineError, EngineUnreachable, type SwarmFailure, UnexpectedReply } from "../engine/EngineErrors.ts"
import { summaryOf, withHint } from "../engine/Hints.ts"
import { PolicyDenied, ProtectedTarget } from "../policy/PolicyErrors.ts"
import { describeKillResult, KillResult, killResultHint } from "./KillResult.ts"

/**
 * The program does not exist in the container. Engines report 126 (20.10) or 127 (28.5); task-exec reports 126.
 *
 * @category errors
 * @since 0.1.0
 */
export class CommandNotFound extends Schema.TaggedError<CommandNotFound>()("CommandNotFound", {
  command: Schema.String,
  /** The engine's text. */
  detail: Schema.String,
  /** The image of the toolbox, if the request has one. */
  toolbox: Schema.optionalKey(Schema.String)
}) {
  /** What failed, and why. */
  get summary(): string {
    const where = this.toolbox === undefined ? "in the container" : `in the toolbox's image ${this.toolbox}`
    return `cannot run ${JSON.stringify(this.command)}: command not found ${where}`
  }

  /** The next step. */
  get hint(): string {
    if (this.toolbox !== undefined) return "Choose an image that has it with --image or TASK_EXEC_DEBUG_IMAGE."
    if (/\s/.test(this.command)) return "Pass each argument as a separate word, or use a shell: sh -c '…'"
    if (this.command === "sh") return "To use a shell beside the container: task-exec debug"
    return this.command === "bash" ? "Try sh." : ""
  }

  override get message(): string {
    return withHint(this.summary, this.hint)
  }
}

/**
 * The command could not be started for a reason other than a missing program, such as a missing working directory.
 *
 * @category errors
 * @since 0.1.0
 */
export class CommandNotStarted extends Schema.TaggedError<CommandNotStarted>()("CommandNotStarted", {
  command: Schema.String,
  /** The engine's text. */
  detail: Schema.String
}) {
  override get message(): string {
    return `cannot start ${JSON.stringify(this.command)}: ${this.detail}`
  }
}

/**
 * The container does not exist, does not run, or is paused. The command was not started.
 *
 * @category errors
 * @since 0.1.0
 */
export class ContainerNotRunning extends Schema.TaggedError<ContainerNotRunning>()("ContainerNotRunning", {
  container: Schema.String,
  /** The engine's text. */
  detail: Schema.String
}) {
  override get message(): string {
    return `cannot run a command in container ${this.container.slice(0, 12)}: ${this.detail}`
  }
}

/**
 * The container stopped while the command ran, which killed the command.
 *
 * @category errors
 * @since 0.1.0
 */
export class ContainerStopped extends Schema.TaggedError<ContainerStopped>()("ContainerStopped", {
  container: Schema.String
}) {
  /** What failed, and why. */
  get summary(): string {
    return `the command did not finish: container ${this.container.slice(0, 12)} stopped`
  }

  /** The next step. */
  get hint(): string {
    return 'Swarm may have replaced the task: see "task-exec ls".'
  }

  override get message(): string {
    return withHint(this.summary, this.hint)
  }
}

/**
 * The command did not end within its timeout. `killResult` tells whether its processes were killed.
 *
 * @category errors
 * @since 0.2.0
 */
export class ExecTimeout extends Schema.TaggedError<ExecTimeout>()("ExecTimeout", {
  /** The timeout in milliseconds. */
  after: Schema.Finite,
  killResult: KillResult
}) {
  /** What failed, and why. */
  get summary(): string {
    return `timed out after ${this.after / 1000} s; ${describeKillResult(this.killResult)}`
  }

  /** The next step. */
  get hint(): string {
    return killResultHint(this.killResult)
  }

  override get message(): string {
    return withHint(this.summary, this.hint)
  }
}

/**
 * The command was started, or may have been, and its outcome is unknown.
 *
 * @category errors
 * @since 0.1.0
 */
export class OutcomeUnknown extends Schema.TaggedError<OutcomeUnknown>()("OutcomeUnknown", {
  detail: Schema.String
}) {
  /** What failed, and why. */
  get summary(): string {
    return `the outcome of the command is unknown: ${this.detail}`
  }

  /** The next step. */
  get hint(): string {
    return "The command may have run: check its effect before you run it again."
  }

  override get message(): string {
    return withHint(this.summary, this.hint)
  }
}

/** Converts the error of a request to the engine that failed when the command may already have begun. */
export const outcomeUnknown = (error: SwarmFailure): OutcomeUnknown => new OutcomeUnknown({ detail: summaryOf(error) })

/**
 * The toolbox could not be started. The command was not started.
 *
 * @category errors
 * @since 0.2.0
 */
export class ToolboxNotStarted extends Schema.TaggedError<ToolboxNotStarted>()("ToolboxNotStarted", {
  image: Schema.String,
  /** Full ID of the task's container. */
  container: Schema.String,
  /** The engine's text. */
  detail: Schema.String,
  /** Set if the image is that of task-exec, for a toolbox that forwards ports. */
  isOwn: Schema.optionalKey(Schema.Literal(true))
}) {
  /** What failed, and why. */
  get summary(): string {
    return `cannot start a toolbox from image ${this.image} beside container ${this.container.slice(0, 12)}: ${this.detail}`
  }

  /** The next step. */
  get hint(): string {
    return this.isOwn === true
      ? 'Run "task-exec doctor" to check the node.'
      : "Choose an image that the node can pull with --image or TASK_EXEC_DEBUG_IMAGE."
  }

  override get message(): string {
    return withHint(this.summary, this.hint)
  }
}

const logHints = {
  Driver: "Read the log where its driver sends it, or update the service with --log-driver json-file or local.",
  Removed: "Swarm keeps the containers of the last tasks of each slot (docker swarm update --task-history-limit).",
  Incomplete: "Read the log again: --since continues from a time."
} as const

/**
 * The log of a container could not be read, or not to its end.
 *
 * @category errors
 * @since 0.2.0
 */
export class LogUnreadable extends Schema.TaggedError<LogUnreadable>()("LogUnreadable", {
  /** Full ID of the container. */
  container: Schema.String,
  /**
   * `Driver`: the engine can't read logs of the container's log driver. `Removed`: the engine no longer has the container. `Incomplete`: the
   * engine stopped in the middle of the log.
   */
  reason: Schema.Literals(["Driver", "Removed", "Incomplete"]),
  /** Name of the log driver, if the engine can't read its logs. */
  driver: Schema.optionalKey(Schema.String),
  /** The engine's text. */
  detail: Schema.String
}) {
  /** What failed, and why. */
  get summary(): string {
    const whole = this.reason === "Incomplete" ? "the whole log" : "the log"
    const driver = this.driver === undefined ? "" : ` (log driver ${this.driver})`
    return `cannot read ${whole} of container ${this.container.slice(0, 12)}: ${this.detail}${driver}`
  }

  /** The next step. */
  get hint(): string {
    return logHints[this.reason]
  }

  override get message(): string {
    return withHint(this.summary, this.hint)
  }
}

/**
 * A signal could not be sent to a container's main process.
 *
 * @category errors
 * @since 0.2.0
 */
export class SignalNotSent extends Schema.TaggedError<SignalNotSent>()("SignalNotSent", {
  /** Full ID of the container. */
  container: Schema.String,
  /** Name of the signal: `SIGHUP`. */
  signal: Schema.String,
  /** The engine's text. */
  detail: Schema.String
}) {
  override get message(): string {
    return `cannot send ${this.signal} to container ${this.container.slice(0, 12)}: ${this.detail}`
  }
}

/**
 * All errors of a command on its node.
 *
 * @category errors
 * @since 0.1.0
 */
export const ExecutorError = Schema.Union([
  CommandNotFound,
  CommandNotStarted,
  ContainerNotRunning,
  ContainerStopped,
  ExecTimeout,
  LogUnreadable,
  OutcomeUnknown,
  PolicyDenied,
  ProtectedTarget,
  SignalNotSent,
  ToolboxNotStarted,
  EngineUnreachable,
  EngineError,
  UnexpectedReply
])

/**
 * All errors of a command on its node.
 *
 * @category errors
 * @since 0.1.0
 */
export type ExecutorError = typeof ExecutorError.Type
