/** The errors of the connection to a helper or agent. Unless an error says otherwise, the command has not run. */
import * as Schema from "effect/Schema"
import { withHint } from "../engine/Hints.ts"
import { describeKillResult, KillResult, killResultHint } from "../executor/KillResult.ts"

/**
 * The requested route cannot reach the task.
 *
 * @category errors
 * @since 0.1.0
 */
export class RouteUnavailable extends Schema.TaggedError<RouteUnavailable>()("RouteUnavailable", {
  via: Schema.String,
  detail: Schema.String
}) {
  /** What failed, and why. */
  get summary(): string {
    return `cannot use --via ${this.via}: ${this.detail}`
  }

  /** The next step. */
  get hint(): string {
    return "Use --via auto."
  }

  override get message(): string {
    return withHint(this.summary, this.hint)
  }
}

/**
 * The request does not fit into a Swarm secret.
 *
 * @category errors
 * @since 0.1.0
 */
export class RequestTooLarge extends Schema.TaggedError<RequestTooLarge>()("RequestTooLarge", {
  bytes: Schema.Int,
  limit: Schema.Int
}) {
  /** What failed, and why. */
  get summary(): string {
    return `cannot send the request to the node: command and environment take ${this.bytes} bytes, and a Swarm secret holds at most ${this.limit}`
  }

  /** The next step. */
  get hint(): string {
    return 'Pass large data as input (-i), or copy it with "task-exec cp".'
  }

  override get message(): string {
    return withHint(this.summary, this.hint)
  }
}

/**
 * The helper runs, but the caller can't reach it over the overlay network.
 *
 * @category errors
 * @since 0.1.0
 */
export class OverlayBlocked extends Schema.TaggedError<OverlayBlocked>()("OverlayBlocked", {
  node: Schema.String,
  /** The timeout in milliseconds. */
  after: Schema.Finite,
  detail: Schema.String
}) {
  /** What failed, and why. */
  get summary(): string {
    return `cannot reach the helper on node ${this.node} over the overlay network: no connection within ${this.after / 1000} s (${this.detail})`
  }

  /** The next step. */
  get hint(): string {
    return "Open UDP 4789 and TCP and UDP 7946 between all nodes."
  }

  override get message(): string {
    return withHint(this.summary, this.hint)
  }
}

/**
 * The relay on the connected engine did not start.
 *
 * @category errors
 * @since 0.1.0
 */
export class RelayFailed extends Schema.TaggedError<RelayFailed>()("RelayFailed", {
  host: Schema.String,
  image: Schema.String,
  detail: Schema.String
}) {
  /** What failed, and why. */
  get summary(): string {
    return `cannot start a relay on the Docker engine at ${this.host}: ${this.detail}`
  }

  /** The next step. */
  get hint(): string {
    return `This engine must have the image ${this.image} and be able to join overlay networks: run "task-exec doctor".`
  }

  override get message(): string {
    return withHint(this.summary, this.hint)
  }
}

/**
 * The connection to the helper or agent broke while the command ran. `killResult` tells whether its processes were killed.
 *
 * @category errors
 * @since 0.1.0
 */
export class ConnectionLost extends Schema.TaggedError<ConnectionLost>()("ConnectionLost", {
  node: Schema.String,
  detail: Schema.String,
  killResult: KillResult
}) {
  /** What failed, and why. */
  get summary(): string {
    return `lost the connection to node ${this.node}: ${this.detail}; ${describeKillResult(this.killResult)}`
  }

  /** The next step. */
  get hint(): string {
    return killResultHint(this.killResult)
  }

  override get message(): string {
    return withHint(this.summary, this.hint)
  }
}
