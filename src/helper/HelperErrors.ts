/** The errors of helpers. Unless an error says otherwise, the command has not run. */
import * as Schema from "effect/Schema"
import { withHint } from "../engine/Hints.ts"
import { provideImage } from "./DefaultImage.ts"

/**
 * The task's node can't run a helper. Nothing was created.
 *
 * @category errors
 * @since 0.1.0
 */
export class NodeUnavailable extends Schema.TaggedError<NodeUnavailable>()("NodeUnavailable", {
  task: Schema.String,
  node: Schema.String,
  /** `ready`, `down`, `unknown`, `disconnected`. */
  state: Schema.String,
  /** `active`, `pause`, `drain`. */
  availability: Schema.String
}) {
  /** What failed, and why. */
  get summary(): string {
    const why = this.state === "ready" ? `its availability is ${this.availability}` : `the node is ${this.state}`
    return `cannot start a helper for task ${this.task} on node ${this.node}: ${why}`
  }

  /** The next step. */
  get hint(): string {
    return this.state === "ready"
      ? `Run "docker node update --availability active ${this.node}", or run task-exec on that node if it is a manager.`
      : `Check the engine on ${this.node}.`
  }

  override get message(): string {
    return withHint(this.summary, this.hint)
  }
}

/**
 * The node could not get the helper's image. Two more lines of the message say how to provide the image.
 *
 * @category errors
 * @since 0.1.0
 */
export class HelperImageUnavailable extends Schema.TaggedError<HelperImageUnavailable>()("HelperImageUnavailable", {
  image: Schema.String,
  node: Schema.String,
  /** The engine's text. */
  reason: Schema.String
}) {
  override get message(): string {
    const failure = `cannot start a helper on ${this.node}: the node cannot get the image ${this.image}: ${this.reason}`
    return [failure, ...provideImage(this.image, this.node)].join("\n")
  }
}

/** Whether the reason is that a network on the node uses the same addresses. */
export const isPoolOverlap = (reason: string): boolean => /pool overlaps with other one/i.test(reason)

/** Whether Swarm did not attach a container within 20 s, for any reason (engines 20.10 to 28.5). */
export const isNotAttached = (reason: string): boolean => /attaching to network failed/i.test(reason)

/**
 * Whether the node can't join this network, but may join another one. The same network is not tried again: after a failed attachment,
 * engine 20.10 may remove its copy of the network while the next container joins. That container then fails with "network … not found", and
 * Swarm counts it as attached until the engine restarts, so that the network can't be removed.
 */
export const needsOtherNetwork = (reason: string): boolean => isPoolOverlap(reason) || isNotAttached(reason)

/**
 * The node rejected the helper's container, such as for a missing mount or an exec format error. With `mayRun`, the command may have begun.
 *
 * @category errors
 * @since 0.1.0
 */
export class HelperRejected extends Schema.TaggedError<HelperRejected>()("HelperRejected", {
  node: Schema.String,
  /** The engine's text. */
  reason: Schema.String,
  /** Set if the helper ran but could not join the network of its tunnel. It may have begun the command, which it then killed. */
  mayRun: Schema.optionalKey(Schema.Literal(true))
}) {
  /** What failed, and why. */
  get summary(): string {
    return `cannot start a helper on node ${this.node}: ${this.reason}`
  }

  /** The next step. */
  get hint(): string {
    return isPoolOverlap(this.reason)
      ? 'Networks of that node use the addresses of every network that was tried: see "docker network ls" there.'
      : 'Run "task-exec doctor" to check the node.'
  }

  override get message(): string {
    return withHint(this.summary, this.hint)
  }
}

/**
 * The helper did not run within the placement timeout. With `mayRun`, the command may still run.
 *
 * @category errors
 * @since 0.1.0
 */
export class HelperNotPlaced extends Schema.TaggedError<HelperNotPlaced>()("HelperNotPlaced", {
  node: Schema.String,
  /** The timeout in milliseconds. */
  after: Schema.Finite,
  /** The last state of the helper's task. */
  state: Schema.String,
  /** Swarm's text. */
  reason: Schema.String,
  /** Set if the node has not confirmed the removal of the helper. It may still run the helper and its command. */
  mayRun: Schema.optionalKey(Schema.Literal(true))
}) {
  /** What failed, and why. */
  get summary(): string {
    const reason = this.reason === "" ? "" : ` (${this.reason})`
    return `cannot start a helper on node ${this.node}: its task was still ${this.state} after ${this.after / 1000} s${reason}`
  }

  /** The next step. */
  get hint(): string {
    const check = 'Run "task-exec doctor" to check the node, or allow more time with --placement-timeout.'
    return this.mayRun === true
      ? `The node may run the command nevertheless: check its effect before you run it again. ${check}`
      : check
  }

  override get message(): string {
    return withHint(this.summary, this.hint)
  }
}

const started = { Exec: "ran the command", End: "killed the command", Copy: "copied anything" } as const

/**
 * The helper ended before it served the request.
 *
 * @category errors
 * @since 0.1.0
 */
export class HelperFailed extends Schema.TaggedError<HelperFailed>()("HelperFailed", {
  node: Schema.String,
  image: Schema.String,
  /** The helper's work: run commands, kill commands of another helper, or copy files. */
  work: Schema.Literals(["Exec", "End", "Copy"]),
  /** Swarm's text, and the last line of the helper's log. */
  detail: Schema.String
}) {
  /** What failed, and why. */
  get summary(): string {
    return `the helper on node ${this.node} failed before it ${started[this.work]}: ${this.detail}`
  }

  /** The next step. */
  get hint(): string {
    return `Check that ${this.image} is the image of this version of task-exec.`
  }

  override get message(): string {
    return withHint(this.summary, this.hint)
  }
}

/**
 * The helper or agent refused the request. The helper is a second helper of its run or on the wrong node, or the versions of the protocol
 * differ.
 *
 * @category errors
 * @since 0.1.0
 */
export class HelperRefused extends Schema.TaggedError<HelperRefused>()("HelperRefused", {
  node: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    return `the helper on node ${this.node} refused the request: ${this.detail}`
  }
}

/**
 * The node's engine remaps user namespaces, so root in a container has no access to the engine's socket.
 *
 * @category errors
 * @since 0.1.0
 */
export class UsernsRemapped extends Schema.TaggedError<UsernsRemapped>()("UsernsRemapped", {
  node: Schema.String,
  /** The user ID that root in a container has on the node. */
  uid: Schema.Int
}) {
  /** What failed, and why. */
  get summary(): string {
    return `cannot open the engine's socket from a helper on node ${this.node}: the engine remaps user namespaces`
  }

  /** The next step. */
  get hint(): string {
    return `Set DOCKER_HOST to ${this.node} if it is a manager, or give the helper access there: setfacl -m u:${this.uid}:rw /var/run/docker.sock`
  }

  override get message(): string {
    return withHint(this.summary, this.hint)
  }
}
