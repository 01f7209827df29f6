/** Waiting for the machine to get somewhere, with a bound. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"

/** How often to look, for how long, and what to do when the time is up. */
export interface PollOptions<B, E, R> {
  /** Milliseconds between two looks: 20 unless told. */
  readonly every?: number
  /** Milliseconds until the wait ends. */
  readonly atMost: number
  readonly orElse: Effect.Effect<B, E, R>
}

/**
 * Looks again and again until there is something to give.
 *
 * **Gotchas**
 *
 * The bound is looked at between two looks (so that it holds where fibers can't be interrupted, as in the release of a
 * resource): a single look must have a bound of its own.
 */
export const poll = Effect.fnUntraced(function* <A, E, R, B, E2, R2>(
  look: Effect.Effect<Option.Option<A>, E, R>,
  options: PollOptions<B, E2, R2>
): Effect.fn.Return<A | B, E | E2, R | R2> {
  const deadline = (yield* Clock.currentTimeMillis) + options.atMost
  while (true) {
    const found = yield* look
    if (Option.isSome(found)) return found.value
    if ((yield* Clock.currentTimeMillis) >= deadline) return yield* options.orElse
    yield* Effect.sleep(options.every ?? 20)
  }
})

/** Looks again and again until it is so. */
export const pollUntil = <E, R, E2, R2>(
  isSo: Effect.Effect<boolean, E, R>,
  options: PollOptions<never, E2, R2>
): Effect.Effect<void, E | E2, R | R2> =>
  poll(
    Effect.map(isSo, (so) => (so ? Option.some(undefined) : Option.none())),
    options
  )
