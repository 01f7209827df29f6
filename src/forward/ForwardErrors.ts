/** The errors of forwarded ports. */
import { getSystemErrorMessage } from "node:util"
import * as Schema from "effect/Schema"
import { withHint } from "../engine/Hints.ts"

/**
 * A local port cannot be bound. Nothing was created on the swarm.
 *
 * @category errors
 * @since 0.2.0
 */
export class CannotListen extends Schema.TaggedError<CannotListen>()("CannotListen", {
  /** Address and port, such as `127.0.0.1:8080`. */
  address: Schema.String,
  /** The system's text. */
  detail: Schema.String
}) {
  /** What failed, and why. */
  get summary(): string {
    return `cannot listen on ${this.address}: ${this.detail}`
  }

  /** The next step. */
  get hint(): string {
    return "Choose another local port, such as 0 for a free one: 0:REMOTE."
  }

  override get message(): string {
    return withHint(this.summary, this.hint)
  }
}

/**
 * The session with the task has ended: the task has stopped, or the connection to its node was lost.
 *
 * @category errors
 * @since 0.2.0
 */
export class ForwardingEnded extends Schema.TaggedError<ForwardingEnded>()("ForwardingEnded", {
  /** Name of the task. */
  task: Schema.String,
  /** Host name of its node. */
  node: Schema.String,
  detail: Schema.String
}) {
  /** What failed, and why. */
  get summary(): string {
    return `port forwarding to ${this.task} on ${this.node} ended: ${this.detail}`
  }

  /** The next step. */
  get hint(): string {
    return "To continue with the task's replacement, use --follow."
  }

  override get message(): string {
    return withHint(this.summary, this.hint)
  }
}

/**
 * No address of this network accepts connections to the port.
 *
 * @category errors
 * @since 0.2.0
 */
export class PortUnreachable extends Schema.TaggedError<PortUnreachable>()("PortUnreachable", {
  port: Schema.Int,
  reason: Schema.String
}) {
  override get message(): string {
    return `cannot connect to port ${this.port}: ${this.reason}`
  }
}

/**
 * One side of a connection closed it before both directions had ended.
 *
 * @category errors
 * @since 0.2.0
 */
export class ConnectionReset extends Schema.TaggedError<ConnectionReset>()("ConnectionReset", {
  detail: Schema.String
}) {
  override get message(): string {
    return `connection reset: ${this.detail}`
  }
}

/** Returns the system's text of a socket's error, such as "connection refused". */
export const systemText = (error: unknown): string => {
  if (error instanceof Error && "errno" in error && typeof error.errno === "number") {
    return getSystemErrorMessage(error.errno) ?? error.message
  }
  return error instanceof Error ? error.message : String(error)
}
