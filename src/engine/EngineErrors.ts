/**
 * What can go wrong between us and a Docker engine.
 *
 * Four errors, by who is to blame: `EngineUnreachable` (no answer at all), `NotSwarmManager` (the wrong engine was asked),
 * `EngineError` (the engine answered "no"), `UnexpectedReply` (the answer is not what a Docker engine says). Before any of
 * them, `InvalidEndpoint`: the address itself is nonsense. Every message is one line that names the host and, where there
 * is one, the next step.
 */
import * as Schema from "effect/Schema"

/** The address of the engine cannot be used: nothing was asked of anybody. */
export class InvalidEndpoint extends Schema.TaggedError<InvalidEndpoint>()("InvalidEndpoint", {
  /** The address as it was given. */
  endpoint: Schema.String,
  /** What is wrong with it and what would be right, as the end of a sentence. */
  detail: Schema.String
}) {
  override get message(): string {
    return `cannot use "${this.endpoint}" as the address of a Docker engine: ${this.detail}`
  }
}

/**
 * Why there was no answer:
 * - `NoSocket`: the socket file does not exist;
 * - `Refused`: nothing listens at the address, or the network has no route to it;
 * - `Permission`: we may not open the socket;
 * - `Dns`: the host name has no address;
 * - `Tls`: no secure connection, or one end speaks TLS and the other does not;
 * - `Ssh`: `ssh` or the `docker system dial-stdio` behind it failed;
 * - `Timeout`: connected perhaps, but no complete answer in time, or nothing heard of the engine for 15 seconds meanwhile;
 * - `Silent`: nothing was sent, as the engine had fallen silent before and has not come back;
 * - `Lost`: the connection broke before the answer was complete;
 * - `Other`: see `detail`.
 */
export const UnreachableReason = Schema.Literals([
  "NoSocket",
  "Refused",
  "Permission",
  "Dns",
  "Tls",
  "Ssh",
  "Timeout",
  "Silent",
  "Lost",
  "Other"
])
export type UnreachableReason = typeof UnreachableReason.Type

/**
 * The engine gave no (complete) answer. Whether it has acted on the request is unknown for `Timeout` and `Lost`, and it has
 * certainly not acted for the others.
 */
export class EngineUnreachable extends Schema.TaggedError<EngineUnreachable>()("EngineUnreachable", {
  host: Schema.String,
  /** What we wanted, in words: "list tasks". */
  operation: Schema.String,
  reason: UnreachableReason,
  /** What happened and what to do, in plain words. */
  detail: Schema.String,
  /** The error of Node, where there is one. */
  cause: Schema.optionalKey(Schema.Defect())
}) {
  override get message(): string {
    return `no connection to the Docker engine at ${this.host} (${this.operation}): ${this.detail}`
  }
}

/** The engine works, but a question about the swarm has to go to a manager, and this is none. */
export class NotSwarmManager extends Schema.TaggedError<NotSwarmManager>()("NotSwarmManager", {
  host: Schema.String,
  operation: Schema.String,
  /** `worker`: in a swarm, but no manager. `inactive`: in no swarm. `locked`: a manager whose keys are still encrypted. */
  state: Schema.Literals(["worker", "inactive", "locked"]),
  /** The node's own name, if it would tell. */
  node: Schema.optionalKey(Schema.String),
  /** Addresses (host:port of the swarm's control plane, not of the Docker API) of managers that a worker knows. */
  managers: Schema.Array(Schema.String)
}) {
  override get message(): string {
    const who = this.node === undefined ? this.host : `node ${this.node} (${this.host})`
    if (this.state === "locked") return `the swarm manager ${who} is locked: unlock it with "docker swarm unlock"`
    if (this.state === "inactive")
      return `${who} is in no swarm: point DOCKER_HOST at a manager, or make it one with "docker swarm init"`
    const known = this.managers.map((address) => address.replace(/:\d+$/, "")).join(", ")
    return `${who} is a worker: point DOCKER_HOST at a manager${known === "" ? "" : ` (it knows ${known})`}`
  }
}

/** The engine answered, and its answer is an error. */
export class EngineError extends Schema.TaggedError<EngineError>()("EngineError", {
  host: Schema.String,
  operation: Schema.String,
  /** HTTP status. */
  status: Schema.Int,
  /** The engine's own text, on one line, without the prefixes of its inner layers ("rpc error: code = …"). */
  text: Schema.String
}) {
  override get message(): string {
    return `the Docker engine at ${this.host} could not ${this.operation}: ${this.text} (HTTP ${this.status})`
  }
}

/** What came back is not what a Docker engine says: another kind of server, or an engine that we do not understand. */
export class UnexpectedReply extends Schema.TaggedError<UnexpectedReply>()("UnexpectedReply", {
  host: Schema.String,
  operation: Schema.String,
  /** What was wrong with the reply. */
  detail: Schema.String
}) {
  override get message(): string {
    return `unexpected reply from ${this.host} (${this.operation}): ${this.detail}`
  }
}

/** How a question to a single engine can fail. */
export type EngineFailure = EngineUnreachable | EngineError | UnexpectedReply

/** How a question about the swarm can fail. */
export type SwarmFailure = EngineFailure | NotSwarmManager

const hasStatus = (error: unknown, status: number): boolean => error instanceof EngineError && error.status === status

/** There is no such thing: HTTP 404. */
export const isNotFound = (error: unknown): error is EngineError => hasStatus(error, 404)

/** It can't be done as things are, such as to remove a network that is in use: HTTP 403. */
export const isForbidden = (error: unknown): error is EngineError => hasStatus(error, 403)

/** The thing is in the wrong state, or its name is taken: HTTP 409. */
export const isConflict = (error: unknown): error is EngineError => hasStatus(error, 409)

/**
 * A network has endpoints on the engine (HTTP 403 or 409) or tasks in the swarm, for which engines have different statuses (swarmkit,
 * `RemoveNetwork`: "network … is in use by task …").
 */
export const isInUse = (error: unknown): error is EngineError =>
  isForbidden(error) || isConflict(error) || (error instanceof EngineError && / is in use by /.test(error.text))

/** Whether a request got no answer: the engine may have carried it out, or may do so later. */
export const isUnanswered = (error: SwarmFailure): boolean =>
  error._tag === "EngineUnreachable" && (error.reason === "Timeout" || error.reason === "Lost")

const notSent: ReadonlySet<UnreachableReason> = new Set([
  "NoSocket",
  "Refused",
  "Permission",
  "Dns",
  "Tls",
  "Ssh",
  "Silent"
])

/** The engine has certainly not acted: nothing was sent to it. */
export const isNotSent = (error: SwarmFailure): boolean =>
  error._tag === "EngineUnreachable" && notSent.has(error.reason)

/** The engine has fallen silent, and so have all others that may be asked: to ask again soon is of no use. */
export const isSilent = (error: unknown): error is EngineUnreachable =>
  error instanceof EngineUnreachable && error.reason === "Silent"
