/** Connections in memory. */
import { type Duplex, duplexPair } from "node:stream"
import * as Effect from "effect/Effect"
import type { Incoming } from "../../../src/carrier/Channel.ts"

/** The two ends of a connection. If one end breaks, the other one does, too, as with sockets. */
export const socketPair = (): readonly [Duplex, Duplex] => {
  const [one, other] = duplexPair()
  const breaks = (end: Duplex, far: Duplex) =>
    end
      .on("error", () => undefined)
      .on("close", () => {
        if (!end.readableEnded || !end.writableFinished) far.destroy(new Error("connection reset by peer"))
      })
  breaks(one, other)
  breaks(other, one)
  return [one, other]
}

/** The two ends of a connection that delivers bytes in chunks of at most this length. */
export const cutEvery = (bytes: number): readonly [Duplex, Duplex] => {
  const [left, right] = socketPair()
  const end = (duplex: Duplex) => {
    const push = duplex.push.bind(duplex)
    duplex.push = (chunk: Uint8Array | null) => {
      if (chunk === null) return push(null)
      let more = true
      for (let at = 0; at < chunk.length; at += bytes) more = push(chunk.subarray(at, at + bytes))
      return more
    }
    return duplex
  }
  return [end(left), end(right)]
}

/** Lets Node's streams deliver the bytes that they hold. */
export const settle = Effect.promise(() => new Promise((done) => setImmediate(done))).pipe(Effect.repeat({ times: 20 }))

/** Describes a received record: the stream and its bytes, the end of a stream, or a document. */
export const describeIncoming = (incoming: Incoming) =>
  incoming._tag === "Data"
    ? `${incoming.stream} ${Buffer.from(incoming.data).toString()}`
    : incoming._tag === "End"
      ? `end of ${incoming.stream}`
      : incoming.text
