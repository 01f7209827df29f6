/**
 * The errors of requests to a Docker engine.
 *
 * `InvalidEndpoint`: the address is invalid, and no request was sent. `EngineUnreachable`: no complete response. `NotSwarmManager`: the
 * engine is not a manager. `EngineError`: the engine responded with an error. `UnexpectedReply`: the response is not that of a Docker
 * engine. Every message is one line that names the host.
 */
import * as Schema from "effect/Schema"
import { withHint } from "./Hints.ts"

/**
 * The address of the engine is invalid. No request was sent.
 *
 * @category errors
 * @since 0.1.0
 */
export class InvalidEndpoint extends Schema.TaggedError<InvalidEndpoint>()("InvalidEndpoint", {
  /** The address as it was given. */
  endpoint: Schema.String,
  /** What is wrong with the address, and what is valid, as the end of a sentence. */
  detail: Schema.String
}) {
  override get message(): string {
    return `cannot connect to "${this.endpoint}": ${this.detail}`
  }
}

/**
 * Why there was no complete response:
 * - `NoSocket`: the socket file does not exist;
 * - `Refused`: nothing listens at the address, or the network has no route to it;
 * - `Permission`: this process is not allowed to open the socket;
 * - `Dns`: the host name has no address;
 * - `Tls`: the TLS handshake failed, or only one side uses TLS;
 * - `Ssh`: `ssh` failed, or `docker system dial-stdio` on the other side;
 * - `Timeout`: no complete response in time, or no sign of life from the engine for 15 seconds;
 * - `Silent`: no request was sent, because the engine has not responded since an earlier timeout;
 * - `Lost`: the connection broke before the response was complete;
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

/** Why an engine is unreachable. */
export type UnreachableReason = typeof UnreachableReason.Type

const chooseEngine = 'Set DOCKER_HOST, or run "docker context use", to choose another engine.'
const checkEngine = "Check the network and the log of the engine."

/** The next step for each reason. The step for `Ssh` names the host. */
const unreachableHints: Readonly<Record<Exclude<UnreachableReason, "Ssh">, string>> = {
  NoSocket: `Is Docker running? ${chooseEngine}`,
  Refused: `Is Docker running there? ${chooseEngine}`,
  Permission: "Use root, or a user in the group that owns the socket (usually docker).",
  Dns: "Check the host name in DOCKER_HOST or the docker context.",
  Tls: "Check DOCKER_TLS_VERIFY and DOCKER_CERT_PATH, or the docker context.",
  Timeout: checkEngine,
  Silent: checkEngine,
  Lost: checkEngine,
  Other: checkEngine
}

/**
 * The engine gave no complete response. For `Timeout` and `Lost`, it is unknown whether the engine acted on the request. For the other
 * reasons, the engine did not act.
 *
 * @category errors
 * @since 0.1.0
 */
export class EngineUnreachable extends Schema.TaggedError<EngineUnreachable>()("EngineUnreachable", {
  host: Schema.String,
  /** The purpose of the request: "list tasks". */
  operation: Schema.String,
  reason: UnreachableReason,
  /** The cause, such as "connection refused". */
  detail: Schema.String,
  /** The error of Node, if there is one. */
  cause: Schema.optionalKey(Schema.Defect())
}) {
  /** What failed, and why. */
  get summary(): string {
    const action = notSent.has(this.reason) ? "connect to" : `${this.operation} on`
    return `cannot ${action} the Docker engine at ${this.host}: ${this.detail}`
  }

  /** The next step. */
  get hint(): string {
    if (this.reason !== "Ssh") return unreachableHints[this.reason]
    // ssh accepts the address without the path of the socket.
    return `Check that "ssh ${this.host.replace(/^(ssh:\/\/[^/]*).*/, "$1")} docker system dial-stdio" works.`
  }

  override get message(): string {
    return withHint(this.summary, this.hint)
  }
}

/**
 * The request needs a swarm manager, and the engine is not one.
 *
 * @category errors
 * @since 0.1.0
 */
export class NotSwarmManager extends Schema.TaggedError<NotSwarmManager>()("NotSwarmManager", {
  host: Schema.String,
  operation: Schema.String,
  /** `worker`: in a swarm, but not a manager. `inactive`: not in a swarm. `locked`: a manager whose keys are still encrypted. */
  state: Schema.Literals(["worker", "inactive", "locked"]),
  /** Host name of the node, if it is known. */
  node: Schema.optionalKey(Schema.String),
  /** Addresses (host:port of the swarm's control plane, not of the Docker API) of managers that a worker knows. */
  managers: Schema.Array(Schema.String)
}) {
  /** What failed, and why. */
  get summary(): string {
    const where = this.node === undefined ? this.host : `node ${this.node} (${this.host})`
    return `cannot ${this.operation} on ${where}: ${managerProblems[this.state]}`
  }

  /** The next step. */
  get hint(): string {
    if (this.state === "locked") return 'Run "docker swarm unlock" there.'
    if (this.state === "inactive") return 'Set DOCKER_HOST to a manager, or create a swarm with "docker swarm init".'
    const known = this.managers.map((address) => address.replace(/:\d+$/, "")).join(", ")
    return `Set DOCKER_HOST to a manager${known === "" ? "" : ` (this worker knows ${known})`}.`
  }

  override get message(): string {
    return withHint(this.summary, this.hint)
  }
}

const managerProblems = {
  worker: "this node is a worker, not a manager",
  inactive: "this engine is not part of a swarm",
  locked: "the swarm is locked"
} as const

/**
 * The engine responded with an error.
 *
 * @category errors
 * @since 0.1.0
 */
export class EngineError extends Schema.TaggedError<EngineError>()("EngineError", {
  host: Schema.String,
  operation: Schema.String,
  /** HTTP status. */
  status: Schema.Int,
  /** The engine's text, on one line, without the prefixes of its inner layers ("rpc error: code = …"). */
  text: Schema.String
}) {
  override get message(): string {
    return `cannot ${this.operation} on the Docker engine at ${this.host}: ${this.text} (HTTP ${this.status})`
  }
}

/**
 * The response is not that of a known Docker engine: it comes from another server, or from an incompatible version.
 *
 * @category errors
 * @since 0.1.0
 */
export class UnexpectedReply extends Schema.TaggedError<UnexpectedReply>()("UnexpectedReply", {
  host: Schema.String,
  operation: Schema.String,
  /** What is wrong with the response. */
  detail: Schema.String
}) {
  override get message(): string {
    return `cannot ${this.operation} on the Docker engine at ${this.host}: unexpected response: ${this.detail}`
  }
}

/**
 * The errors of a request to a single engine.
 *
 * @category errors
 * @since 0.1.0
 */
export type EngineFailure = EngineUnreachable | EngineError | UnexpectedReply

/**
 * The errors of a request about the swarm.
 *
 * @category errors
 * @since 0.1.0
 */
export type SwarmFailure = EngineFailure | NotSwarmManager

const hasStatus = (error: unknown, status: number): boolean => error instanceof EngineError && error.status === status

/** The request is invalid, such as a prefix that several IDs have: HTTP 400. */
export const isInvalid = (error: unknown): error is EngineError => hasStatus(error, 400)

/** The object does not exist: HTTP 404. */
export const isNotFound = (error: unknown): error is EngineError => hasStatus(error, 404)

/** The state of an object forbids it, such as the removal of a network in use: HTTP 403. */
export const isForbidden = (error: unknown): error is EngineError => hasStatus(error, 403)

/** The object is in the wrong state, or its name is taken: HTTP 409. */
export const isConflict = (error: unknown): error is EngineError => hasStatus(error, 409)

/**
 * A network has endpoints on the engine (HTTP 403 or 409) or tasks in the swarm, for which engines have different statuses (swarmkit,
 * `RemoveNetwork`: "network … is in use by task …").
 */
export const isInUse = (error: unknown): error is EngineError =>
  isForbidden(error) || isConflict(error) || (error instanceof EngineError && / is in use by /.test(error.text))

/** Whether a request got no response, so that the engine may have acted on it or may still do so. */
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

/** Whether no request was sent, so that the engine has not acted. */
export const isNotSent = (error: SwarmFailure): boolean =>
  error._tag === "EngineUnreachable" && notSent.has(error.reason)

/** Whether the engine no longer responds, so that retrying soon is useless. */
export const isSilent = (error: unknown): error is EngineUnreachable =>
  error instanceof EngineUnreachable && error.reason === "Silent"
