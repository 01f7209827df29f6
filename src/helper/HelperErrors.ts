/** The errors of helpers. None of them means that the command ran, unless its text says so. */
import * as Schema from "effect/Schema"
import { describeEnding, Ending } from "../executor/ExecutorErrors.ts"
import { provideImage } from "./DefaultImage.ts"

/** The task's node can't run a helper. Nothing was created. */
export class NodeUnavailable extends Schema.TaggedError<NodeUnavailable>()("NodeUnavailable", {
  task: Schema.String,
  node: Schema.String,
  /** `ready`, `down`, `unknown`, `disconnected`. */
  state: Schema.String,
  /** `active`, `pause`, `drain`. */
  availability: Schema.String
}) {
  override get message(): string {
    const what = this.state === "ready" ? `set to ${this.availability}` : this.state
    const next =
      this.state === "ready"
        ? `make it active ("docker node update --availability active ${this.node}") or run task-exec on that node (it needs to be a manager)`
        : `check the engine on ${this.node}`
    return `node ${this.node} of task ${this.task} is ${what}, so no helper can run there: ${next}`
  }
}

/** The node could not get the helper's image. The message has two more lines: how to provide the image. */
export class HelperImageUnavailable extends Schema.TaggedError<HelperImageUnavailable>()("HelperImageUnavailable", {
  image: Schema.String,
  node: Schema.String,
  /** The engine's own words. */
  reason: Schema.String
}) {
  override get message(): string {
    const failure = `cannot start a helper on ${this.node}: the node cannot get the image ${this.image}: ${this.reason}`
    return [failure, ...provideImage(this.image, this.node)].join("\n")
  }
}

/** Whether the reason is that the node has a network of its own with the same addresses. */
export const isPoolOverlap = (reason: string): boolean => /pool overlaps with other one/i.test(reason)

/** Whether Swarm did not attach a container within 20 s, for any reason (engines 20.10 to 28.5). */
export const isNotAttached = (reason: string): boolean => /attaching to network failed/i.test(reason)

/**
 * Whether the node can't join this network, but may join another one. The same network is not tried again: engine 20.10 may remove its
 * copy of the network, because of the failed attachment, while the next container joins. That container fails with "network … not
 * found", and Swarm counts it as attached until the engine restarts, so that the network can't be removed.
 */
export const needsOtherNetwork = (reason: string): boolean => isPoolOverlap(reason) || isNotAttached(reason)

/** The node refused the helper's container: no such mount, exec format error, … */
export class HelperRejected extends Schema.TaggedError<HelperRejected>()("HelperRejected", {
  node: Schema.String,
  /** The engine's own words. */
  reason: Schema.String
}) {
  override get message(): string {
    const hint = isPoolOverlap(this.reason)
      ? '; networks of that node\'s own have the addresses of each network that was tried: see "docker network ls" there'
      : ""
    return `node ${this.node} refused the helper: ${this.reason}${hint}`
  }
}

/** The helper did not run within the timeout. */
export class HelperNotPlaced extends Schema.TaggedError<HelperNotPlaced>()("HelperNotPlaced", {
  node: Schema.String,
  /** The timeout in milliseconds. */
  after: Schema.Finite,
  /** Swarm's last state of the helper's task. */
  state: Schema.String,
  /** Swarm's text. */
  reason: Schema.String
}) {
  override get message(): string {
    const reason = this.reason === "" ? "" : ` (${this.reason})`
    return `the helper on node ${this.node} was still ${this.state} after ${this.after / 1000} s${reason}`
  }
}

const started = { Exec: "ran the command", End: "ended the command", Copy: "copied anything" } as const

/** The helper ended before it took the request. */
export class HelperFailed extends Schema.TaggedError<HelperFailed>()("HelperFailed", {
  node: Schema.String,
  image: Schema.String,
  /** What the helper was asked to do: run commands, end commands of another helper, or copy files. */
  work: Schema.Literals(["Exec", "End", "Copy"]),
  /** Swarm's words, and the last line that the helper wrote. */
  detail: Schema.String
}) {
  override get message(): string {
    return (
      `the helper on node ${this.node} failed before it ${started[this.work]}: ${this.detail} ` +
      `(is ${this.image} an image of task-exec?)`
    )
  }
}

/** The helper refused the request: it is a second helper, on another node, or has another version of the protocol. */
export class HelperRefused extends Schema.TaggedError<HelperRefused>()("HelperRefused", {
  node: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    return `the helper on node ${this.node} refused to run the command: ${this.detail}`
  }
}

/** The node's engine remaps user namespaces, so root in a container has no access to the engine's socket. */
export class UsernsRemapped extends Schema.TaggedError<UsernsRemapped>()("UsernsRemapped", {
  node: Schema.String,
  /** The user ID on the node of root in a container. */
  uid: Schema.Int
}) {
  override get message(): string {
    return (
      `user namespaces are remapped on node ${this.node}, so a helper can't open its engine's socket: ` +
      `point DOCKER_HOST at ${this.node} if it is a manager, ` +
      `or let the helper in there ("setfacl -m u:${this.uid}:rw /var/run/docker.sock")`
    )
  }
}

/** The requested route does not lead to the task. */
export class RouteUnavailable extends Schema.TaggedError<RouteUnavailable>()("RouteUnavailable", {
  via: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    return `route ${this.via} is not possible: ${this.detail}`
  }
}

/** The request does not fit into a Swarm secret. */
export class RequestTooLarge extends Schema.TaggedError<RequestTooLarge>()("RequestTooLarge", {
  bytes: Schema.Int,
  limit: Schema.Int
}) {
  override get message(): string {
    return `command and environment are ${this.bytes} bytes; a Swarm secret holds ${this.limit}`
  }
}

/** The helper runs, but the caller can't reach it over the overlay network. */
export class OverlayBlocked extends Schema.TaggedError<OverlayBlocked>()("OverlayBlocked", {
  node: Schema.String,
  /** The timeout in milliseconds. */
  after: Schema.Finite,
  detail: Schema.String
}) {
  override get message(): string {
    return (
      `the helper on node ${this.node} runs, but could not be reached over Swarm's overlay network for ` +
      `${this.after / 1000} s (${this.detail}): between all nodes UDP 4789 and TCP and UDP 7946 must be open`
    )
  }
}

/** The relay on the connected engine did not start. */
export class RelayFailed extends Schema.TaggedError<RelayFailed>()("RelayFailed", {
  host: Schema.String,
  image: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    return `cannot start a relay of ${this.image} on the engine at ${this.host}: ${this.detail}`
  }
}

/** The connection to the helper or agent broke while the command ran. `ending` is the kill result of the command. */
export class ConnectionLost extends Schema.TaggedError<ConnectionLost>()("ConnectionLost", {
  node: Schema.String,
  detail: Schema.String,
  ending: Ending
}) {
  override get message(): string {
    return `the connection to node ${this.node} was lost (${this.detail}); ${describeEnding(this.ending)}`
  }
}
