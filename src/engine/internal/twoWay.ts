import { Socket } from "node:net"
import type { Duplex } from "node:stream"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import { fromReadable } from "../fromReadable.ts"

/** A connection whose two directions end separately. */
export interface TwoWay<E> {
  readonly output: Stream.Stream<Uint8Array, E>
  /** Completes when `output` has data or has ended. Consumes nothing. */
  readonly arrival: Effect.Effect<void>
  readonly write: (chunk: Uint8Array) => Effect.Effect<void, E>
  readonly endInput: Effect.Effect<void, E>
}

/** Converts a hijacked socket. The socket closes with the scope. */
export const twoWay = <E>(
  socket: Duplex,
  broken: (cause: unknown) => E
): Effect.Effect<TwoWay<E>, never, Scope.Scope> =>
  Effect.map(fromReadable(socket, broken), (output) => {
    let refusal: Error | undefined
    hideFailedWrites(socket, (cause) => {
      refusal ??= cause
    })
    if (socket instanceof Socket && socket.remoteAddress === undefined) endAtReset(socket)
    /** The reason why nothing can be written. A write to an ended socket would destroy it. */
    const refused = () =>
      refusal ??
      (socket.writableEnded || socket.destroyed
        ? new Error("the connection was closed before the response was complete")
        : undefined)
    return {
      output,
      arrival: awaitData(socket),
      write: (chunk) =>
        Effect.callback((resume) => {
          const cause = refused()
          if (cause !== undefined) return resume(Effect.fail(broken(cause)))
          socket.write(chunk, (error) => {
            const cause = error ?? refusal
            resume(cause === undefined ? Effect.void : Effect.fail(broken(cause)))
          })
        }),
      endInput: Effect.callback((resume) => {
        if (refused() !== undefined) return resume(Effect.void)
        socket.end((error?: Error | null) => resume(error == null ? Effect.void : Effect.fail(broken(error))))
      })
    }
  })

/** Completes when the socket has data or has ended. The socket must have a reader, so that it reads ahead. */
const awaitData = (socket: Duplex): Effect.Effect<void> =>
  Effect.callback((resume) => {
    if (socket.readableLength > 0 || socket.readableEnded || socket.destroyed) return resume(Effect.void)
    const arrived = () => {
      stop()
      resume(Effect.void)
    }
    const stop = () => socket.off("readable", arrived).off("end", arrived).off("close", arrived)
    socket.on("readable", arrived).on("end", arrived).on("close", arrived)
    return Effect.sync(stop)
  })

/**
 * Keeps a socket's output readable after a write has failed.
 *
 * A command may end before it has read all its input. The engine then closes the connection, and later writes fail. Node destroys a socket
 * on the first failed write, and output that is still in the kernel would be lost. So failed writes are hidden from the socket.
 */
const hideFailedWrites = (socket: Duplex, refused: (cause: Error) => void): void => {
  type Done = (error?: Error | null) => void
  const hideFailure =
    (done: Done): Done =>
    (error) => {
      if (error == null || !("syscall" in error) || error.syscall !== "write") return done(error)
      refused(error)
      done()
    }
  const write = socket._write.bind(socket)
  socket._write = (chunk, encoding, done) => write(chunk, encoding, hideFailure(done))
  const writev = socket._writev?.bind(socket)
  if (writev !== undefined) socket._writev = (chunks, done) => writev(chunks, hideFailure(done))
}

/**
 * Treats a reset of a Unix socket as the end of its output. If an engine closes a connection with unread input, Linux reports a reset
 * instead of the end, after all output was read. (Over TCP, a reset may overtake output.) Whether the command has ended is requested
 * separately.
 */
const endAtReset = (socket: Socket): void => {
  const destroy = socket.destroy.bind(socket)
  socket.destroy = (error) => {
    if (error === undefined || !("code" in error && error.code === "ECONNRESET")) return destroy(error)
    socket.push(null)
    return socket
  }
}
