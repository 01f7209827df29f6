/**
 * TLS with a one-time key instead of certificates: both ends know it from a Swarm secret, and only who knows it gets past
 * the handshake.
 */

import { randomBytes } from "node:crypto"
import { closeSync, openSync, readSync } from "node:fs"
import type { Socket } from "node:net"
import type { Duplex } from "node:stream"
import * as Tls from "node:tls"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { Strangers } from "./Strangers.ts"
import { TunnelLost } from "./Tunnel.ts"

const keyBytes = 32

/**
 * A new key for {@link tunnelKey}, in base64. Most runs have one and never use it: the kernel's random numbers are there at once, while
 * OpenSSL takes 5 to 10 ms to load.
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
    // A system without that file.
  }
  return randomBytes(keyBytes).toString("base64")
}

/** A key that both ends of a connection know. */
export interface PresharedKey {
  /** The name by which the client says, in the clear, which key it means. */
  readonly identity: string
  readonly key: Uint8Array
}

/** The key of one tunnel, of its text in the helper's request. */
export const tunnelKey = (base64: string): PresharedKey => ({
  identity: "task-exec",
  key: Buffer.from(base64, "base64")
})

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
/** Connections in their handshake. A caller at work has one at a time for each node. */
const strangerLimits = { perSource: 64, inTotal: 512 }

/** Loads what a handshake needs: to be done while nobody waits for it. */
export const prepareHandshake: Effect.Effect<void> = Effect.sync(() => void Tls.createSecureContext(settings))

/** The caller's end, over whatever carries it. Done after the handshake; the connection is destroyed with the scope. */
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

/** What a listening end needs to know. */
export interface ListenOptions {
  readonly port: number
  readonly key: PresharedKey
  /** Clients at the same time. Connections in their handshake are counted, and bounded, apart. */
  readonly most: number
}

/** Listens for clients that know the key, until the scope closes. Connections that are there by then stay open. */
export const listenForAll = Effect.fnUntraced(function* (
  { key: { identity, key }, most, port }: ListenOptions,
  { client, refused }: Door
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
  const strangers = new Strangers<Socket>(strangerLimits, (socket) =>
    refuse(socket, "too many connections are in their handshake")
  )
  // By port: what comes out of the handshake is another object than what went in.
  const greeting = new Map<string, () => void>()
  const nameOf = (socket: Socket) => `${socket.remoteAddress} ${socket.remotePort}`
  server.prependListener("connection", (socket) => {
    const source = sourceOf(socket)
    const name = nameOf(socket)
    const leave = () => {
      strangers.delete(source, socket)
      greeting.delete(name)
    }
    greeting.set(name, leave)
    socket.once("close", leave)
    strangers.add(source, socket)
  })
  server.on("tlsClientError", (error, socket) => {
    // A connection without an address was closed before: by the other end, or by us, who said why.
    if (socket.remoteAddress !== undefined) refuse(socket, error.message)
  })
  server.on("secureConnection", (socket) => {
    greeting.get(nameOf(socket))?.()
    if (clients.size >= most) {
      socket.on("error", () => undefined)
      return refuse(socket, `${most} clients are there already`)
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

const sourceOf = (socket: Socket): string => socket.remoteAddress ?? "somebody"

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
  key: PresharedKey,
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
  yield* listenForAll({ port, key, most: 2 }, { client, refused })
  return {
    client: Effect.callback((resume) => {
      give = (socket) => resume(Effect.succeed(socket))
      if (taken !== undefined) give(taken)
    })
  }
})
