/** Checks that an archive is complete. */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"

/** The size of the two blocks of zeros at the end of a tar archive, in bytes. */
const endBytes = 1024

/**
 * Emits the bytes, and fails if they end before the end of the archive: an engine that can't read a file ends the response as if it were
 * complete.
 */
export const wholeArchive =
  <E2>(incomplete: () => E2) =>
  <E, R>(content: Stream.Stream<Uint8Array, E, R>): Stream.Stream<Uint8Array, E | E2, R> =>
    Stream.suspend(() => {
      let bytes = 0
      let zeros = 0
      const count = (chunk: Uint8Array) => {
        bytes += chunk.length
        const tail = chunk.subarray(-endBytes)
        const last = tail.findLastIndex((byte) => byte !== 0)
        zeros = last < 0 ? zeros + chunk.length : tail.length - 1 - last
      }
      const check = Effect.suspend(() =>
        zeros >= endBytes && bytes % 512 === 0 ? Effect.void : Effect.fail(incomplete())
      )
      return content.pipe(
        Stream.tap((chunk) => Effect.sync(() => count(chunk))),
        Stream.concat(Stream.fromEffectDrain(check))
      )
    })
