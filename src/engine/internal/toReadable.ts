import { Readable } from "node:stream"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"

/** A Stream that is read as a Node stream. */
export interface Outflow {
  readonly readable: Readable
  /** Done when all of it was handed over, and the end told; a Stream that fails has told no end. */
  readonly send: <E>(content: Stream.Stream<Uint8Array, E>) => Effect.Effect<void, E>
  /** Takes the rest from its reader, and drops it. */
  readonly discard: Effect.Effect<void>
}

/** Takes from the Stream as the reader reads. The readable is destroyed with the scope: no end comes from that. */
export const makeOutflow: Effect.Effect<Outflow, never, Scope.Scope> = Effect.gen(function* () {
  const wanted = Latch.makeUnsafe(false)
  const readable = yield* Effect.acquireRelease(
    Effect.sync(() => new Readable({ read: () => void Latch.openUnsafe(wanted) })),
    (readable) => Effect.sync(() => readable.destroy())
  )
  // Without a listener an error would end the process.
  readable.on("error", () => undefined)
  const put = (chunk: Uint8Array) =>
    Effect.suspend(() => {
      if (chunk.length > 0 && !readable.push(chunk)) Latch.closeUnsafe(wanted)
      return wanted.await
    })
  return {
    readable,
    send: (content) =>
      wanted.await.pipe(
        Effect.andThen(Stream.runForEach(content, put)),
        Effect.andThen(Effect.sync(() => void readable.push(null)))
      ),
    discard: Effect.sync(() => void readable.unpipe().resume())
  }
})
