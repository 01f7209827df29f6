/** The errors of one-off tasks. No command ran. */
import * as Schema from "effect/Schema"
import { withHint } from "../engine/Hints.ts"

/**
 * The one-off task failed before it ran, such as for a missing image or mount. The command has not run.
 *
 * @category errors
 * @since 0.2.0
 */
export class OneOffNotStarted extends Schema.TaggedError<OneOffNotStarted>()("OneOffNotStarted", {
  /** Name of the task's service. */
  service: Schema.String,
  image: Schema.String,
  /** Host name of the task's node. */
  node: Schema.optionalKey(Schema.String),
  /** The state of the task. */
  state: Schema.String,
  /** Swarm's reason. */
  reason: Schema.String
}) {
  /** What failed, and why. */
  get summary(): string {
    const where = this.node === undefined ? "" : ` on node ${this.node}`
    return `cannot start a one-off task of service ${this.service} from image ${this.image}${where}: ${this.state}: ${this.reason}`
  }

  /** The next step. */
  get hint(): string {
    return /image|manifest|pull|registry|unauthorized|denied/i.test(this.reason)
      ? `Check that the node can pull the image: docker pull ${this.image}, and docker login for a private registry.`
      : "Nothing ran. Remove the cause, and run it again."
  }

  override get message(): string {
    return withHint(this.summary, this.hint)
  }
}

/**
 * The one-off task did not run in time: no node fits, or the node still prepares the task. The command has not run.
 *
 * @category errors
 * @since 0.2.0
 */
export class OneOffNotPlaced extends Schema.TaggedError<OneOffNotPlaced>()("OneOffNotPlaced", {
  service: Schema.String,
  image: Schema.String,
  /** Milliseconds. */
  after: Schema.Finite,
  /** The last state of the task. */
  state: Schema.String,
  /** Swarm's reason. */
  reason: Schema.String
}) {
  /** What failed, and why. */
  get summary(): string {
    const reason = this.reason === "" ? "" : ` (${this.reason})`
    return `cannot start a one-off task of service ${this.service} from image ${this.image}: still ${this.state} after ${this.after / 1000} s${reason}`
  }

  /** The next step. */
  get hint(): string {
    return /no suitable node/.test(this.reason)
      ? "Give the task a node with room: change its --limit, --reserve and --constraint options, or the service's placement."
      : "Allow more time with --wait, for example if the node pulls a large image."
  }

  override get message(): string {
    return withHint(this.summary, this.hint)
  }
}

/** The errors of one-off tasks. */
export type OneOffError = OneOffNotStarted | OneOffNotPlaced
