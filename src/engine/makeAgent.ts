import * as Fs from "node:fs/promises"
import * as Net from "node:net"
import type { Duplex } from "node:stream"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { type Endpoint, format } from "./Endpoint.ts"
import { InvalidEndpoint } from "./EngineErrors.ts"
import { reasonOf } from "./Hints.ts"
import { EngineAgent } from "./internal/EngineAgent.ts"

/**
 * Idle milliseconds after which the kernel probes a connection, ten times, a second apart (libuv, `uv__tcp_keepalive`). So a dead
 * connection breaks after 15 seconds, and routers do not drop an idle one. `Heartbeat` notices an engine that hangs while its kernel still
 * responds.
 */
const keepAlive = 5000

/** Returns the HTTP agent for this address. Its connections close with the scope. */
export const makeAgent = (endpoint: Endpoint): Effect.Effect<EngineAgent, InvalidEndpoint, Scope.Scope> =>
  Effect.flatMap(connector(endpoint), (connect) =>
    Effect.acquireRelease(
      Effect.sync(() => new EngineAgent(connect, endpoint._tag !== "Unix")),
      (agent) => Effect.sync(() => agent.destroy())
    )
  )

const connector = Effect.fnUntraced(function* (
  endpoint: Endpoint
): Effect.fn.Return<() => Duplex, InvalidEndpoint, Scope.Scope> {
  switch (endpoint._tag) {
    case "Unix":
      return () => Net.connect({ path: endpoint.path })
    case "Tcp":
      return () =>
        Net.connect({
          host: endpoint.host,
          port: endpoint.port,
          noDelay: true,
          keepAlive: true,
          keepAliveInitialDelay: keepAlive
        })
    case "Tls": {
      const { connect } = yield* Effect.promise(() => import("node:tls"))
      const material = endpoint.certPath === undefined ? {} : yield* certificates(endpoint, endpoint.certPath)
      const servername = Net.isIP(endpoint.host) === 0 ? { servername: endpoint.host } : {}
      return () =>
        connect({ host: endpoint.host, port: endpoint.port, ...servername, ...material })
          .setNoDelay(true)
          .setKeepAlive(true, keepAlive)
    }
    case "Ssh": {
      const { spawn } = yield* Effect.promise(() => import("node:child_process"))
      const { SshConnection } = yield* Effect.promise(() => import("./internal/SshConnection.ts"))
      const { openSshSharing } = yield* Effect.promise(() => import("./internal/SshSharing.ts"))
      const sharing = yield* openSshSharing(endpoint)
      return () => new SshConnection(spawn, endpoint, sharing)
    }
  }
})

/** Reads the certificates. Requires ca.pem, as the docker CLI does, and both or none of cert.pem and key.pem. */
const certificates = Effect.fnUntraced(function* (
  endpoint: Endpoint,
  folder: string
): Effect.fn.Return<{ ca: string; cert?: string; key?: string }, InvalidEndpoint> {
  const invalid = (detail: string) => new InvalidEndpoint({ endpoint: format(endpoint), detail })
  const read = (name: string) =>
    Effect.tryPromise({
      try: () => Fs.readFile(`${folder}/${name}`, "utf8"),
      catch: (cause) => (cause instanceof Error ? cause : new Error(String(cause)))
    })
  const optional = (name: string) =>
    read(name).pipe(
      Effect.catchIf(
        (error) => "code" in error && error.code === "ENOENT",
        () => Effect.succeed(undefined)
      ),
      Effect.mapError((error) => invalid(`cannot read ${folder}/${name}: ${reasonOf(error)}`))
    )
  const ca = yield* Effect.mapError(read("ca.pem"), (error) =>
    invalid(`TLS requires ${folder}/ca.pem (set DOCKER_CERT_PATH to its folder): ${reasonOf(error)}`)
  )
  const cert = yield* optional("cert.pem")
  const key = yield* optional("key.pem")
  if (cert === undefined && key === undefined) return { ca }
  if (cert === undefined || key === undefined)
    return yield* invalid(`${folder} contains only one of cert.pem and key.pem; TLS requires both or none`)
  return { ca, cert, key }
})
