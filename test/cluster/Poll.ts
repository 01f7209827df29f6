/** Polls with a time limit. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"

/** How often to poll, for how long, and what to do at the end of that time. */
export interface PollOptions<B, E, R> {
  /** Milliseconds between two polls. Default: 50. */
  readonly every?: number
  /** Milliseconds until polling ends. */
  readonly atMost: number
  readonly orElse: Effect.Effect<B, E, R>
}

/**
 * Polls until there is a value.
 *
 * **Gotchas**: the limit is checked between two polls, so that it also holds where fibers cannot be interrupted, as in finalizers. A single
 * poll must have its own limit.
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
    yield* Effect.sleep(options.every ?? 50)
  }
})

/** Polls until the condition holds. */
export const pollUntil = <E, R, E2, R2>(
  isSo: Effect.Effect<boolean, E, R>,
  options: PollOptions<never, E2, R2>
): Effect.Effect<void, E | E2, R | R2> =>
  poll(
    Effect.map(isSo, (so) => (so ? Option.some(undefined) : Option.none())),
    options
  )
