/**
 * TLS with a pre-shared key instead of certificates. The handshake of a client without the key fails.
 */

import { randomBytes } from "node:crypto"
import { closeSync, openSync, readSync } from "node:fs"
import type { Socket } from "node:net"
import type { Duplex } from "node:stream"
import * as Tls from "node:tls"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { TunnelLost } from "./Channel.ts"
import { PendingHandshakes } from "./PendingHandshakes.ts"

const keyBytes = 32

/**
 * Makes a key for {@link tunnelKey}, in base64. Uses the kernel's random numbers, because most runs never use their key and OpenSSL takes 5
 * to 10 ms to load.
 */
export const makeTunnelKey = (): string => {
  try {
    const file = openSync("/dev/urandom", "r")
    try {
      const key = Buffer.alloc(keyBytes)
      if (readSync(file, key) === keyBytes) return key.toString("base64")
    } finally {
      closeSync(file)
    }
  } catch {
    // The system does not have this file.
  }
  return randomBytes(keyBytes).toString("base64")
}

/** A key that both sides of a connection know. */
export interface PresharedKey {
  /** The name of the key, which the client sends unencrypted. */
  readonly identity: string
  readonly key: Uint8Array
}

/** Returns the key of a tunnel from its base64 text in the helper's request. */
export const tunnelKey = (base64: string): PresharedKey => ({
  identity: "task-exec",
  key: Buffer.from(base64, "base64")
})

/** The cipher gives forward secrecy without certificates. OpenSSL has such ciphers for TLS 1.2 only. */
const settings = {
  ciphers: "ECDHE-PSK-CHACHA20-POLY1305",
  minVersion: "TLSv1.2",
  maxVersion: "TLSv1.2",
  // Without this list, Node reads the certificates that NODE_EXTRA_CA_CERTS names, which takes time.
  ca: []
} satisfies Tls.SecureContextOptions

/**
 * The timeout of a handshake, in milliseconds. It is the longest time that a caller waits for an agent: on a busy machine, a caller with many
 * connections at once takes more than ten seconds. {@link handshakeLimits} limits the connections that wait.
 */
const handshakeTimeout = 30_000
/** The most connections in their handshake. A caller has one at a time for each node. */
const handshakeLimits = { perSource: 64, inTotal: 512 }

/** Loads OpenSSL. Call it while the program waits for something else. */
export const prepareHandshake: Effect.Effect<void> = Effect.sync(() => void Tls.createSecureContext(settings))

/** Adds the reason if this is not Node: the TLS of Bun 1.4 and Deno 2.9 does not support `pskCallback`. */
const explained = (detail: string): string => {
  const { bun, deno } = process.versions
  if (bun === undefined && deno === undefined) return detail
  return `${bun === undefined ? "Deno" : "Bun"} has no TLS with pre-shared keys, which a tunnel needs; use Node.js (${detail})`
}

/** Opens the caller's side of TLS over a carrier. Completes after the handshake. The connection is destroyed when the scope closes. */
export const secureClient = (
  carrier: Duplex,
  { identity, key }: PresharedKey
): Effect.Effect<Duplex, TunnelLost, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() =>
      Tls.connect({
        ...settings,
        socket: carrier,
        pskCallback: () => ({ psk: Buffer.from(key), identity }),
        checkServerIdentity: () => undefined
      })
    ),
    (socket) => Effect.sync(() => socket.destroy())
  ).pipe(
    Effect.tap((socket) =>
      Effect.callback<void, TunnelLost>((resume) => {
        const lost = (detail: string) => resume(Effect.fail(new TunnelLost({ detail: explained(detail) })))
        socket.once("secureConnect", () => resume(Effect.void))
        socket.once("error", (error) => lost(error.message))
        socket.once("close", () => lost("the connection was closed during the handshake"))
      })
    )
  )

/** The callbacks of a listener. */
export interface ListenHandlers {
  /** Called when a client that knows the key has connected. */
  readonly client: (socket: Tls.TLSSocket) => void
  /** Called when the listener has refused a connection. `why`: the address and the reason. */
  readonly refused: (why: string) => void
}

/** Options of a listener. */
export interface ListenOptions {
  readonly port: number
  readonly key: PresharedKey
  /** The most clients at the same time. Connections in their handshake have a separate limit. */
  readonly most: number
}

/** Listens for clients that know the key, until the scope closes. Established connections stay open. */
export const listenForAll = Effect.fnUntraced(function* (
  { key: { identity, key }, most, port }: ListenOptions,
  { client, refused }: ListenHandlers
): Effect.fn.Return<void, TunnelLost, Scope.Scope> {
  const psk = Buffer.from(key)
  const server = Tls.createServer({
    ...settings,
    handshakeTimeout,
    pskCallback: (_socket, name) => (name === identity ? psk : null)
  })
  const clients = new Set<Tls.TLSSocket>()
  const refuse = (socket: Socket, why: string) => {
    refused(`${sourceOf(socket)}: ${why}`)
    socket.destroy()
  }
  const pending = new PendingHandshakes<Socket>(handshakeLimits, (socket) =>
    refuse(socket, "too many connections are in the TLS handshake")
  )
  // By address and port, because the connection is another object after the handshake.
  const greeting = new Map<string, () => void>()
  const nameOf = (socket: Socket) => `${socket.remoteAddress} ${socket.remotePort}`
  server.prependListener("connection", (socket) => {
    const source = sourceOf(socket)
    const name = nameOf(socket)
    const leave = () => {
      pending.delete(source, socket)
      greeting.delete(name)
    }
    greeting.set(name, leave)
    socket.once("close", leave)
    pending.add(source, socket)
  })
  server.on("tlsClientError", (error, socket) => {
    // A connection without an address is closed: by the client, or by this listener, which has reported the reason.
    if (socket.remoteAddress !== undefined) refuse(socket, error.message)
  })
  server.on("secureConnection", (socket) => {
    greeting.get(nameOf(socket))?.()
    if (clients.size >= most) {
      socket.on("error", () => undefined)
      return refuse(socket, `${most} clients are connected already`)
    }
    clients.add(socket)
    socket.once("close", () => clients.delete(socket))
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

const sourceOf = (socket: Socket): string => socket.remoteAddress ?? "unknown address"

/** A listener for one client. */
export interface Listener {
  /** Completes when a client that knows the key has connected. */
  readonly client: Effect.Effect<Duplex>
}

/**
 * Opens the executor's side: listens for one client until the scope closes. Refuses clients that don't know the key and all clients after
 * the first one, and calls `refused` with the reason.
 */
export const listenSecurely = Effect.fnUntraced(function* (
  port: number,
  key: PresharedKey,
  refused: (why: string) => void
): Effect.fn.Return<Listener, TunnelLost, Scope.Scope> {
  let taken: Tls.TLSSocket | undefined
  let give: ((socket: Tls.TLSSocket) => void) | undefined
  const client = (socket: Tls.TLSSocket) => {
    if (taken !== undefined) {
      refused(`${socket.remoteAddress ?? "unknown address"}: a second client`)
      socket.on("error", () => undefined)
      socket.destroy()
      return
    }
    taken = socket
    give?.(socket)
  }
  yield* Effect.addFinalizer(() => Effect.sync(() => taken?.destroy()))
  yield* listenForAll({ port, key, most: 2 }, { client, refused })
  return {
    client: Effect.callback((resume) => {
      give = (socket) => resume(Effect.succeed(socket))
      if (taken !== undefined) give(taken)
    })
  }
})
