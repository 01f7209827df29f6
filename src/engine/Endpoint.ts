/** The addresses of engines, as in `DOCKER_HOST`. */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { InvalidEndpoint } from "./EngineErrors.ts"

const Port = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 1, maximum: 65535 })))

/**
 * The address of a Docker engine.
 *
 * @category models
 * @since 0.1.0
 */
export const Endpoint = Schema.TaggedUnion({
  /** A socket in the file system. */
  Unix: { path: Schema.NonEmptyString },
  /** Plain HTTP. Every process that can connect to it can become root on that machine. */
  Tcp: { host: Schema.NonEmptyString, port: Port, basePath: Schema.String },
  /** HTTP over TLS. */
  Tls: {
    host: Schema.NonEmptyString,
    port: Port,
    basePath: Schema.String,
    /** Folder with ca.pem, cert.pem and key.pem; absent: the system's authorities, and no client certificate. */
    certPath: Schema.optionalKey(Schema.NonEmptyString)
  },
  /** `docker system dial-stdio` on that machine through `ssh`, with the user's ssh configuration. */
  Ssh: {
    host: Schema.NonEmptyString,
    user: Schema.optionalKey(Schema.NonEmptyString),
    port: Schema.optionalKey(Port),
    /** The socket on that machine; default: the default socket. */
    path: Schema.optionalKey(Schema.NonEmptyString)
  }
})
/**
 * The address of a Docker engine.
 *
 * @category models
 * @since 0.1.0
 */
export type Endpoint = typeof Endpoint.Type

/** The default address of the engine. */
export const defaultEndpoint: Endpoint = { _tag: "Unix", path: "/var/run/docker.sock" }

/** The TLS settings for `tcp://` and `https://`. */
export interface TlsSettings {
  /** Whether `tcp://` uses TLS: the docker CLI's `DOCKER_TLS_VERIFY`. */
  readonly verify: boolean
  /** Folder with ca.pem, cert.pem and key.pem. Absent: `https://` uses the system's authorities. */
  readonly certPath?: string
}

const schemes = "unix:///path, tcp://host[:port], https://host[:port], ssh://[user@]host[:port]"

const hostName = /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9_](?:[A-Za-z0-9._-]*)))?(?::(\d{1,5}))?(\/[^\s?#]*)?$/

/** Parses `host[:port][/path]`. The host may be an IPv6 address in brackets. Fails with the reason as a text. */
const authority = (text: string): Result.Result<{ host?: string; port?: number; path: string }, string> => {
  const match = hostName.exec(text)
  if (match === null) return Result.fail(`"${text}" is not host:port`)
  const [, v6, name, digits, path = ""] = match
  const host = v6 ?? name
  const port = digits === undefined ? undefined : Number(digits)
  if (port !== undefined && (port < 1 || port > 65535)) return Result.fail(`port ${digits} is not between 1 and 65535`)
  return Result.succeed({
    ...(host === undefined ? {} : { host }),
    ...(port === undefined ? {} : { port }),
    path: path.replace(/\/+$/, "")
  })
}

/**
 * Allowed user names. A leading "-" would be an option to ssh, and ssh puts the name into command lines for shells (`%r` in
 * `ProxyCommand` and `Match exec`; CVE-2023-51385).
 */
const sshUser = /^[A-Za-z0-9_.+][A-Za-z0-9_.+-]*$/

const withPassword = /^[^/@]*:.*@/

/** Hides a password in an address, for logs and messages. */
const withoutPassword = (text: string): string => text.replace(/([^\s/@:"]*):(?!\/\/)\S*@/g, "$1:***@")

/**
 * Parses a single address, as the docker CLI accepts it in `DOCKER_HOST`. An empty text means the default socket. An address without a
 * scheme is `host[:port]`. The default port is 2375, and 2376 with TLS. `fromEnvironment` parses lists of managers.
 */
export const parse = (text: string, tls: TlsSettings): Result.Result<Endpoint, InvalidEndpoint> => {
  const address = text.trim()
  const invalid = (detail: string) =>
    Result.fail(new InvalidEndpoint({ endpoint: withoutPassword(address), detail: withoutPassword(detail) }))

  if (address === "") return Result.succeed(defaultEndpoint)
  if (address.includes(",")) return invalid("expected a single address")
  const [, scheme = "tcp", rest = ""] = /^(?:([A-Za-z][A-Za-z0-9+.-]*):\/\/)?(.*)$/s.exec(address) ?? []
  if (!address.includes("://") && address.startsWith("/")) return invalid(`write a socket as unix://${address}`)

  switch (scheme.toLowerCase()) {
    case "unix": {
      if (rest === "") return Result.succeed(defaultEndpoint)
      if (!rest.startsWith("/")) return invalid(`the path must be absolute, such as unix:///${rest}`)
      if (rest.includes("\0")) return invalid("the path contains a NUL character")
      return Result.succeed({ _tag: "Unix", path: rest })
    }
    case "tcp":
    case "http":
    case "https": {
      const secure = scheme.toLowerCase() === "https" || (scheme.toLowerCase() === "tcp" && tls.verify)
      if (scheme.toLowerCase() === "http" && tls.verify)
        return invalid("DOCKER_TLS_VERIFY requires TLS, and http:// has none; use tcp:// or https://")
      const parsed = authority(rest)
      if (Result.isFailure(parsed)) return invalid(parsed.failure)
      const { host = "127.0.0.1", port = secure ? 2376 : 2375, path } = parsed.success
      return Result.succeed(
        secure
          ? {
              _tag: "Tls",
              host,
              port,
              basePath: path,
              ...(tls.certPath === undefined ? {} : { certPath: tls.certPath })
            }
          : { _tag: "Tcp", host, port, basePath: path }
      )
    }
    case "ssh": {
      if (withPassword.test(rest))
        return invalid("an ssh:// address must not contain a password; use a key or an ssh agent")
      const [, user, machine = ""] = /^(?:([^@/]*)@)?(.*)$/s.exec(rest) ?? []
      if (user !== undefined && !sshUser.test(user)) {
        return invalid(`invalid user name "${user}": use letters, digits and . _ + -, and no - at the start`)
      }
      const parsed = authority(machine)
      if (Result.isFailure(parsed)) return invalid(parsed.failure)
      const { host, port, path } = parsed.success
      if (host === undefined) return invalid("the host is missing")
      return Result.succeed({
        _tag: "Ssh",
        host,
        ...(user === undefined ? {} : { user }),
        ...(port === undefined ? {} : { port }),
        ...(path === "" ? {} : { path })
      })
    }
    case "npipe":
      return invalid("Windows named pipes are not supported; use tcp:// or ssh://")
    case "fd":
      return invalid("fd:// is an address for an engine to listen on; use its unix:// socket")
    default:
      return invalid(`unknown scheme "${scheme}"; use ${schemes}`)
  }
}

/** Formats an endpoint for messages. `parse` reads it back with the same TLS settings. */
export const format = (endpoint: Endpoint): string => {
  const bracketed = (host: string) => (host.includes(":") ? `[${host}]` : host)
  switch (endpoint._tag) {
    case "Unix":
      return `unix://${endpoint.path}`
    case "Tcp":
      return `tcp://${bracketed(endpoint.host)}:${endpoint.port}${endpoint.basePath}`
    case "Tls":
      return `https://${bracketed(endpoint.host)}:${endpoint.port}${endpoint.basePath}`
    case "Ssh":
      return [
        "ssh://",
        endpoint.user === undefined ? "" : `${endpoint.user}@`,
        bracketed(endpoint.host),
        endpoint.port === undefined ? "" : `:${endpoint.port}`,
        endpoint.path ?? ""
      ].join("")
  }
}

/**
 * The address of one manager, or the addresses of several managers of one swarm. If one is unreachable, the next is tried.
 *
 * @category models
 * @since 0.2.0
 */
export type Endpoints = readonly [Endpoint, ...ReadonlyArray<Endpoint>]
