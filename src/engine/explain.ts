/** Converts failed requests and responses with an error status to the library's errors, whose texts name the cause. */
import { inspect } from "node:util"
import { type Endpoint, format } from "./Endpoint.ts"
import {
  EngineError,
  EngineUnreachable,
  NotSwarmManager,
  UnexpectedReply,
  type UnreachableReason
} from "./EngineErrors.ts"

/** A request and its engine, for messages. */
export interface RequestOrigin {
  readonly endpoint: Endpoint
  readonly operation: string
}

const textOf = (value: unknown, key: string): string | undefined => {
  if (typeof value !== "object" || value === null || !(key in value)) return undefined
  const found: unknown = Reflect.get(value, key)
  return typeof found === "string" && found !== "" ? found : undefined
}

/** Returns the message of an error. If it has none, returns that of its first inner error: Node has tried several addresses. */
const messageOf = (cause: unknown): string =>
  textOf(cause, "message") ??
  (cause instanceof AggregateError ? textOf(cause.errors[0], "message") : undefined) ??
  inspect(cause, { depth: 1 })

const tlsCode =
  /^(EPROTO$|ERR_TLS_|ERR_SSL_|ERR_OSSL|CERT_|UNABLE_TO_|DEPTH_ZERO_SELF_SIGNED_CERT$|SELF_SIGNED_|HOSTNAME_MISMATCH|CRL_)/

/** Converts Node's error of a request that got no complete response. */
export const explainFailure = (origin: RequestOrigin, cause: unknown): EngineUnreachable | UnexpectedReply => {
  const { endpoint, operation } = origin
  const host = format(endpoint)
  const failed = (reason: UnreachableReason, detail: string) =>
    new EngineUnreachable({ host, operation, reason, detail, cause })
  const code = textOf(cause, "code") ?? ""
  const message = messageOf(cause)
  switch (code) {
    case "ENOENT":
    case "ENOTDIR":
      if (endpoint._tag === "Unix") return failed("NoSocket", `${endpoint.path} does not exist`)
      break
    case "ENGINE_SILENT":
      return failed("Timeout", message)
    case "ENGINE_KNOWN_SILENT":
      return failed("Silent", message)
    case "ECONNREFUSED":
      return failed("Refused", "connection refused")
    case "EHOSTUNREACH":
    case "ENETUNREACH":
    case "EHOSTDOWN":
    case "ETIMEDOUT":
      // The connection was open, so the request may have been sent.
      if (/^(read|write)$/.test(textOf(cause, "syscall") ?? ""))
        return failed("Lost", `the route to the host was lost (${message})`)
      return failed("Refused", `no route to host (${message})`)
    case "EACCES":
    case "EPERM":
      return failed(
        "Permission",
        endpoint._tag === "Unix" ? `permission denied on ${endpoint.path}` : `permission denied (${message})`
      )
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return failed("Dns", `the host name has no address (${message})`)
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
          ? "the connection was closed before the response was complete, perhaps because the engine does not accept the client certificate"
          : "the connection was closed before the response was complete"
      )
  }
  if (code.startsWith("HPE_"))
    return new UnexpectedReply({
      host,
      operation,
      detail: `it is not HTTP, so this is not a Docker engine (${message})`
    })
  if (tlsCode.test(code))
    return failed(
      "Tls",
      /wrong version number|packet length too long/i.test(message)
        ? "the engine does not use TLS on this port (its TLS port is usually 2376)"
        : `TLS failed: ${oneLine(message)}`
    )
  return failed(code === "" && /before the response was complete$/.test(message) ? "Lost" : "Other", oneLine(message))
}

/** Shortens a text to one line, because some messages of Node include a whole certificate. */
const oneLine = (text: string): string => {
  const line = text.replace(/\s+/g, " ").trim()
  return line.length > 300 ? `${line.slice(0, 300)}…` : line
}

/** Returns the engine's text without the prefixes of its inner layers. */
const cleaned = (body: string): string => {
  let text = body
  try {
    const json: unknown = JSON.parse(body)
    text = textOf(json, "message") ?? textOf(json, "error") ?? body
  } catch {
    // Not JSON: the response comes from a proxy, or from an engine that could not parse the request.
    if (/^\s*</.test(body)) text = /<title>(.*?)<\/title>/is.exec(body)?.[1] ?? "an HTML page"
  }
  return oneLine(text.replace(/rpc error: code = \w+ desc = /g, ""))
}

/** Converts a response with an error status. */
export const explainStatus = (
  origin: RequestOrigin,
  status: number,
  body: string
): EngineError | NotSwarmManager | EngineUnreachable => {
  const { endpoint, operation } = origin
  const host = format(endpoint)
  const text = cleaned(body)
  // The texts are in moby, `daemon/cluster/errors.go`. The status is 503, and 406 in old engines.
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
      detail: "the engine accepts only TLS on this port"
    })
  return new EngineError({ host, operation, status, text: text === "" ? `HTTP status ${status}` : text })
}
