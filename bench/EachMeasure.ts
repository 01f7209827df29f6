/** Runs measures one after the other. A measure that fails costs only its own figures. */
import * as Cause from "effect/Cause"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"

/**
 * Runs the measures in the order of `names`, and passes the figures of each to `done` as soon as it ends. A measure that fails is reported on
 * stderr, and the next one begins. Returns the names of those that failed. An interruption ends all.
 */
export const measureEach = <Name extends string, A, E, R, E2, R2>(
  names: ReadonlyArray<Name>,
  measure: (name: Name) => Effect.Effect<A, E, R>,
  done: (figures: A) => Effect.Effect<void, E2, R2>
): Effect.Effect<ReadonlyArray<Name>, E2, R | R2> =>
  Effect.map(
    Effect.forEach(names, (name) =>
      Effect.matchCauseEffect(measure(name), {
        onSuccess: (figures) => Effect.as(done(figures), []),
        onFailure: (cause) =>
          Cause.hasInterruptsOnly(cause)
            ? Effect.interrupt
            : Effect.as(Console.error(`bench: the measure ${name} failed: ${reasonOf(cause)}`), [name])
      })
    ),
    (failed) => failed.flat()
  )

const reasonOf = (cause: Cause.Cause<unknown>): string => {
  const error = Cause.squash(cause)
  return error instanceof Error ? error.message : String(error)
}
