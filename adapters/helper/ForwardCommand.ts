/**
 * Connects to ports in the network of a task, in which it runs: `port-forward PORT…`. Its caller opens connections over stdin and stdout. Ends
 * when stdin ends.
 */
import { Socket } from "node:net"
import { Duplex } from "node:stream"
import * as Effect from "effect/Effect"
import { dialLocal } from "../../src/forward/dialLocal.ts"
import { serveForward } from "../../src/forward/ForwardServer.ts"
import { lineOf, stderrLogger } from "../LineLogger.ts"

/** Serves one caller. */
export const forwardCommand = (ports: ReadonlyArray<string>): Effect.Effect<number> =>
  serveForward(stdio(), { ports: ports.map(Number), dial: dialLocal }).pipe(
    Effect.as(0),
    Effect.provide(stderrLogger(lineOf("port-forward", "text"), "Warn"))
  )

/** Stdin and stdout as one stream. */
const stdio = (): Duplex => {
  const stdin = new Socket({ fd: 0, readable: true, writable: false })
  const stdout = new Socket({ fd: 1, readable: false, writable: true })
  const duplex = new Duplex({
    read: () => void stdin.resume(),
    write: (chunk: Uint8Array, _encoding, callback) => void stdout.write(chunk, callback),
    writev: (chunks: ReadonlyArray<{ readonly chunk: Uint8Array }>, callback) => {
      stdout.cork()
      const last = chunks.length - 1
      chunks.forEach(({ chunk }, at) => void (at === last ? stdout.write(chunk, callback) : stdout.write(chunk)))
      stdout.uncork()
    },
    final: (callback) => void stdout.end(callback),
    destroy: (error, callback) => {
      stdin.destroy()
      stdout.destroy()
      callback(error)
    }
  })
  stdin.on("data", (chunk: Uint8Array) => {
    if (!duplex.push(chunk)) stdin.pause()
  })
  stdin.on("end", () => duplex.push(null))
  for (const one of [stdin, stdout]) one.on("error", (error) => void duplex.destroy(error))
  return duplex
}
