/**
 * TLS with a one-time key instead of certificates: both ends know it from a Swarm secret, and only who knows it gets past
 * the handshake.
 */

import { randomBytes } from "node:crypto"
import type { Duplex } from "node:stream"
import * as Tls from "node:tls"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { TunnelLost } from "./Tunnel.ts"

/** A new key, in base64. */
export const makeTunnelKey = (): string => randomBytes(32).toString("base64")

const identity = "task-exec"
/** Forward secrecy and no certificates: OpenSSL has the like for TLS 1.2 only. */
const settings = {
  ciphers: "ECDHE-PSK-CHACHA20-POLY1305",
  minVersion: "TLSv1.2",
  maxVersion: "TLSv1.2",
  // Node would read the machine's where NODE_EXTRA_CA_CERTS names them, and wait for that.
  ca: []
} satisfies Tls.SecureContextOptions

/** How long a handshake may take, in milliseconds. */
const handshakeTimeout = 10_000
/** Connections at the same time that have not shown that they know the key. */
const strangers = 16

/** Loads what a handshake needs: to be done while nobody waits for it. */
export const prepareHandshake: Effect.Effect<void> = Effect.sync(() => void Tls.createSecureContext(settings))

/** The caller's end, over whatever carries it. Done after the handshake; the connection is destroyed with the scope. */
export const secureClient = (carrier: Duplex, key: string): Effect.Effect<Duplex, TunnelLost, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() =>
      Tls.connect({
        ...settings,
        socket: carrier,
        pskCallback: () => ({ psk: Buffer.from(key, "base64"), identity }),
        checkServerIdentity: () => undefined
      })
    ),
    (socket) => Effect.sync(() => socket.destroy())
  ).pipe(
    Effect.tap((socket) =>
      Effect.callback<void, TunnelLost>((resume) => {
        const lost = (detail: string) => resume(Effect.fail(new TunnelLost({ detail })))
        socket.once("secureConnect", () => resume(Effect.void))
        socket.once("error", (error) => lost(error.message))
        socket.once("close", () => lost("it was closed during the handshake"))
      })
    )
  )

/** Who comes to a listening end. */
export interface Door {
  /** Somebody who knows the key. */
  readonly client: (socket: Tls.TLSSocket) => void
  /** Somebody was sent away: why. */
  readonly refused: (why: string) => void
}

/**
 * Listens for whoever knows the key, until the scope closes; at most `most` connections at the same time, with those that
 * have not shown yet that they do.
 */
export const listenForAll = Effect.fnUntraced(function* (
  port: number,
  key: string,
  most: number,
  { client, refused }: Door
): Effect.fn.Return<void, TunnelLost, Scope.Scope> {
  const server = Tls.createServer({
    ...settings,
    handshakeTimeout,
    pskCallback: (_socket, name) => (name === identity ? Buffer.from(key, "base64") : null)
  })
  server.maxConnections = most
  server.on("tlsClientError", (error, socket) => {
    refused(`${socket.remoteAddress ?? "somebody"}: ${error.message}`)
    socket.destroy()
  })
  server.on("secureConnection", (socket) => {
    socket.setNoDelay(true)
    client(socket)
  })
  yield* Effect.acquireRelease(
    Effect.callback<void, TunnelLost>((resume) => {
      server.once("error", (error) => resume(Effect.fail(new TunnelLost({ detail: error.message }))))
      server.listen(port, () => resume(Effect.void))
    }),
    () => Effect.sync(() => server.close())
  )
})

/** What knocks at a listening end. */
export interface Listener {
  /** Done when the one client is there that knows the key. */
  readonly client: Effect.Effect<Duplex>
}

/**
 * The Executor's end: listens until the scope closes, for one client. Whoever does not know the key, and whoever comes
 * second, is sent away, and `refused` told why.
 */
export const listenSecurely = Effect.fnUntraced(function* (
  port: number,
  key: string,
  refused: (why: string) => void
): Effect.fn.Return<Listener, TunnelLost, Scope.Scope> {
  let taken: Tls.TLSSocket | undefined
  let give: ((socket: Tls.TLSSocket) => void) | undefined
  const client = (socket: Tls.TLSSocket) => {
    if (taken !== undefined) {
      refused(`${socket.remoteAddress ?? "somebody"}: a second client`)
      socket.on("error", () => undefined)
      socket.destroy()
      return
    }
    taken = socket
    give?.(socket)
  }
  yield* Effect.addFinalizer(() => Effect.sync(() => taken?.destroy()))
  yield* listenForAll(port, key, strangers, { client, refused })
  return {
    client: Effect.callback((resume) => {
      give = (socket) => resume(Effect.succeed(socket))
      if (taken !== undefined) give(taken)
    })
  }
})
