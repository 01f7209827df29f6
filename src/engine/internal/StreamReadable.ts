import { Readable } from "node:stream"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"

/** A stream as a Node readable. */
export interface StreamReadable {
  readonly readable: Readable
  /** Completes when the readable has taken all data and the end. If the stream fails, the readable has no end. */
  readonly send: <E>(content: Stream.Stream<Uint8Array, E>) => Effect.Effect<void, E>
  /** Reads the remaining data and drops it. */
  readonly discard: Effect.Effect<void>
}

/** Converts a stream to a Node readable, with backpressure. The readable is destroyed when the scope closes. */
export const makeStreamReadable: Effect.Effect<StreamReadable, never, Scope.Scope> = Effect.gen(function* () {
  const demand = Latch.makeUnsafe(false)
  const readable = yield* Effect.acquireRelease(
    Effect.sync(() => new Readable({ read: () => void Latch.openUnsafe(demand) })),
    (readable) => Effect.sync(() => readable.destroy())
  )
  // An error event without a listener would end the process.
  readable.on("error", () => undefined)
  const put = (chunk: Uint8Array) =>
    Effect.suspend(() => {
      if (chunk.length > 0 && !readable.push(chunk)) Latch.closeUnsafe(demand)
      return demand.await
    })
  return {
    readable,
    send: (content) =>
      demand.await.pipe(
        Effect.andThen(Stream.runForEach(content, put)),
        Effect.andThen(Effect.sync(() => void readable.push(null)))
      ),
    discard: Effect.sync(() => void readable.unpipe().resume())
  }
})
