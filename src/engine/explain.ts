import { inspect } from "node:util"
import { type Endpoint, format } from "./Endpoint.ts"
import {
  EngineError,
  EngineUnreachable,
  NotSwarmManager,
  UnexpectedReply,
  type UnreachableReason
} from "./EngineErrors.ts"

/** What was asked of whom. */
export interface Asked {
  readonly endpoint: Endpoint
  readonly operation: string
}

const textOf = (value: unknown, key: string): string | undefined => {
  if (typeof value !== "object" || value === null || !(key in value)) return undefined
  const found: unknown = Reflect.get(value, key)
  return typeof found === "string" && found !== "" ? found : undefined
}

/** The message of an error; that of the first inner one where the outer has none (several addresses were tried). */
const messageOf = (cause: unknown): string =>
  textOf(cause, "message") ??
  (cause instanceof AggregateError ? textOf(cause.errors[0], "message") : undefined) ??
  inspect(cause, { depth: 1 })

const tlsCode =
  /^(EPROTO$|ERR_TLS_|ERR_SSL_|ERR_OSSL|CERT_|UNABLE_TO_|DEPTH_ZERO_SELF_SIGNED_CERT$|SELF_SIGNED_|HOSTNAME_MISMATCH|CRL_)/

/** Node's error, when no (complete) answer came, in words. */
export const explainFailure = (asked: Asked, cause: unknown): EngineUnreachable | UnexpectedReply => {
  const { endpoint, operation } = asked
  const host = format(endpoint)
  const failed = (reason: UnreachableReason, detail: string) =>
    new EngineUnreachable({ host, operation, reason, detail, cause })
  const code = textOf(cause, "code") ?? ""
  const message = messageOf(cause)
  switch (code) {
    case "ENOENT":
    case "ENOTDIR":
      if (endpoint._tag === "Unix")
        return failed(
          "NoSocket",
          `${endpoint.path} does not exist: is the Docker engine running? DOCKER_HOST can name another`
        )
      break
    case "ENGINE_SILENT":
      return failed("Timeout", message)
    case "ENGINE_NOT_ASKED":
      return failed("Silent", message)
    case "ECONNREFUSED":
      return failed("Refused", "nobody listens there: is the Docker engine running?")
    case "EHOSTUNREACH":
    case "ENETUNREACH":
    case "EHOSTDOWN":
    case "ETIMEDOUT":
      // The connection was there, and a request may have gone over it.
      if (/^(read|write)$/.test(textOf(cause, "syscall") ?? ""))
        return failed("Lost", `the network lost its route to it (${message})`)
      return failed("Refused", `the network has no route to it (${message})`)
    case "EACCES":
    case "EPERM":
      return failed(
        "Permission",
        endpoint._tag === "Unix"
          ? `no permission to open ${endpoint.path}: use root, or a user in the group that owns it (mostly "docker")`
          : `no permission (${message})`
      )
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return failed("Dns", `the host name has no address (${message}): is it spelled right?`)
    case "SSH_FAILED":
    case "SSH_LOST":
      return failed(code === "SSH_LOST" ? "Lost" : "Ssh", `ssh: ${message.replace(/^ssh: /, "")}`)
    case "ECONNRESET":
    case "EPIPE":
    case "ERR_STREAM_PREMATURE_CLOSE":
    case "ERR_STREAM_DESTROYED":
    case "ERR_STREAM_WRITE_AFTER_END":
      return failed(
        "Lost",
        endpoint._tag === "Tls"
          ? "the connection was closed before the answer was complete; an engine that does not know our certificate does so, too"
          : "the connection was closed before the answer was complete"
      )
  }
  if (code.startsWith("HPE_"))
    return new UnexpectedReply({
      host,
      operation,
      detail: `what answers there does not speak HTTP, so it is no Docker engine (${message})`
    })
  if (tlsCode.test(code))
    return failed(
      "Tls",
      /wrong version number|packet length too long/i.test(message)
        ? "the engine does not speak TLS there; unset DOCKER_TLS_VERIFY, or use the engine's TLS port (mostly 2376)"
        : `no trusted TLS connection: ${oneLine(message)}; do DOCKER_CERT_PATH and its ca.pem, cert.pem, key.pem belong to this engine?`
    )
  return failed(code === "" && /before its end$/.test(message) ? "Lost" : "Other", oneLine(message))
}

/** Fit for a message: some of Node's hold a whole certificate. */
const oneLine = (text: string): string => {
  const line = text.replace(/\s+/g, " ").trim()
  return line.length > 300 ? `${line.slice(0, 300)}…` : line
}

/** The engine's text without what its inner layers put before it. */
const cleaned = (body: string): string => {
  let text = body
  try {
    const json: unknown = JSON.parse(body)
    text = textOf(json, "message") ?? textOf(json, "error") ?? body
  } catch {
    // Not JSON: a proxy between us and the engine, or an engine before it has understood the request. Text it is.
    if (/^\s*</.test(body)) text = /<title>(.*?)<\/title>/is.exec(body)?.[1] ?? "an HTML page"
  }
  return oneLine(text.replace(/rpc error: code = \w+ desc = /g, ""))
}

/** An answer with an error status, as an error. */
export const explainStatus = (
  asked: Asked,
  status: number,
  body: string
): EngineError | NotSwarmManager | EngineUnreachable => {
  const { endpoint, operation } = asked
  const host = format(endpoint)
  const text = cleaned(body)
  // moby's daemon/cluster/errors.go has the texts; the status is 503, in old engines 406.
  if (/This node is not a swarm manager/.test(text))
    return new NotSwarmManager({
      host,
      operation,
      state: /Worker nodes can't be used/.test(text) ? "worker" : "inactive",
      managers: []
    })
  if (/Swarm is encrypted and needs to be unlocked/.test(text))
    return new NotSwarmManager({ host, operation, state: "locked", managers: [] })
  if (/HTTP request to an HTTPS server/.test(text))
    return new EngineUnreachable({
      host,
      operation,
      reason: "Tls",
      detail: "the engine speaks only TLS there: set DOCKER_TLS_VERIFY=1 and DOCKER_CERT_PATH"
    })
  return new EngineError({ host, operation, status, text: text === "" ? `HTTP status ${status}` : text })
}
