import { Socket } from "node:net"
import type { Duplex } from "node:stream"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Channel, Incoming, TunnelLost } from "../carrier/Channel.ts"
import { fromReadable } from "../engine/fromReadable.ts"
import { ConnectionReset, systemText } from "./ForwardErrors.ts"
import type { Sides } from "./ForwardProtocol.ts"

/**
 * Forwards bytes between a channel and a socket, with backpressure, until both directions have ended. Then closes both. If it fails, it
 * resets the socket. `incoming`: what the channel receives, without documents that were read before.
 */
export const joinSocket = <E>(
  channel: Channel,
  incoming: Stream.Stream<Incoming, E>,
  socket: Duplex,
  { reads, writes }: Sides
): Effect.Effect<void, ConnectionReset | TunnelLost | E> =>
  Effect.gen(function* () {
    const ended = yield* Deferred.make<void>()
    let isOut = false
    const output = yield* fromReadable(socket, broken, { borrowed: true })
    const outgoing = Stream.runForEach(output, (chunk) => channel.write(writes, chunk)).pipe(
      Effect.andThen(channel.end(writes)),
      Effect.andThen(
        Effect.sync(() => {
          isOut = true
        })
      )
    )
    const take = (record: Incoming): Effect.Effect<unknown, ConnectionReset> => {
      switch (record._tag) {
        case "Data":
          return Effect.andThen(writeTo(socket, record.data), channel.consumed(reads, record.data.length))
        case "End":
          return Effect.andThen(endOf(socket), Deferred.succeed(ended, undefined))
        case "Document":
          return Effect.void
      }
    }
    const closed = Effect.suspend(() =>
      isOut && Deferred.isDoneUnsafe(ended)
        ? Effect.never
        : Effect.fail(new ConnectionReset({ detail: "the other side closed it" }))
    )
    yield* Effect.raceFirst(
      Effect.all([outgoing, Deferred.await(ended)], { concurrency: 2, discard: true }),
      Effect.andThen(Stream.runForEach(incoming, take), closed)
    )
  }).pipe(
    Effect.scoped,
    Effect.onExit((exit) =>
      Effect.andThen(
        channel.close,
        Effect.sync(() => (exit._tag === "Success" ? socket.destroy() : reset(socket)))
      )
    )
  )

/** Closes a socket so that the other side sees that bytes are missing. */
export const reset = (socket: Duplex): void => {
  // An error without a listener would end the process.
  socket.on("error", () => undefined)
  if (socket instanceof Socket) socket.resetAndDestroy()
  else socket.destroy()
}

const broken = (cause: unknown) => new ConnectionReset({ detail: systemText(cause) })

/** Writes to a socket. Completes when it takes more. */
const writeTo = (socket: Duplex, data: Uint8Array): Effect.Effect<void, ConnectionReset> =>
  Effect.callback((resume) => {
    if (socket.destroyed || socket.writableEnded) return resume(Effect.fail(broken("it is closed")))
    if (socket.write(data)) return resume(Effect.void)
    const onDrain = () => settle(Effect.void)
    const onClose = () => settle(Effect.fail(broken(socket.errored ?? "it is closed")))
    const settle = (result: Effect.Effect<void, ConnectionReset>) => {
      stop()
      resume(result)
    }
    const stop = () => socket.off("drain", onDrain).off("close", onClose)
    socket.on("drain", onDrain).on("close", onClose)
    return Effect.sync(stop)
  })

/** Ends the writing side of a socket. Completes when all bytes are with the system. */
const endOf = (socket: Duplex): Effect.Effect<void, ConnectionReset> =>
  Effect.callback((resume) => {
    if (socket.destroyed) return resume(Effect.fail(broken(socket.errored ?? "it is closed")))
    socket.end((error?: Error | null) => resume(error == null ? Effect.void : Effect.fail(broken(error))))
  })
