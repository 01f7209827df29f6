/** Objects of an engine or a swarm that live as long as a scope. */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { isNotFound, isUnanswered, type SwarmFailure } from "./EngineErrors.ts"

/** Bound on each removal, retries included. */
const removalPatience = "15 seconds"
/** How long an engine may take to carry out a creation whose answer nobody waited for. */
const latestCreation = "5 seconds"
/** Soon at first, every two seconds later. */
const often = Schedule.min([Schedule.exponential("100 millis"), Schedule.spaced("2 seconds")])

/**
 * Makes an object that is removed when the scope closes; the removal has to be by name, as the answer may get lost. It is
 * tried again and again for a bounded time; what stays is logged, with the command that removes it.
 *
 * **Details**
 *
 * "Not found" is the end of it once the creation has been answered. Before that it may mean "not yet": engine 20.10 goes on
 * with a creation whose client has left, and then carries it out after the removal. So it is asked again for a while.
 */
export const owned = <A, E extends SwarmFailure>(
  creation: Effect.Effect<A, E>,
  removal: Effect.Effect<void, SwarmFailure>,
  command: string
): Effect.Effect<A, E, Scope.Scope> =>
  Effect.suspend(() => {
    let isAnswered = false
    const answered = Effect.sync(() => {
      isAnswered = true
    })
    const gone = Effect.suspend(() =>
      isAnswered
        ? removal
        : Effect.retry(removal, {
            while: isNotFound,
            schedule: often.pipe(Schedule.upTo({ duration: latestCreation }))
          })
    )
    return removeAtEnd(gone, command).pipe(
      Effect.andThen(creation),
      Effect.tap(answered),
      Effect.tapError((error) => (isUnanswered(error) ? Effect.void : answered))
    )
  })

const removeAtEnd = (removal: Effect.Effect<void, SwarmFailure>, command: string) =>
  Effect.addFinalizer(() =>
    removal.pipe(
      Effect.catchIf(isNotFound, () => Effect.void),
      Effect.retry(often),
      Effect.timeout(removalPatience),
      Effect.withSpan("TaskExec.remove", { attributes: { command } }),
      Effect.catch((error) =>
        Effect.logWarning(`could not clean up (${error.message}); it is left behind, remove it with: ${command}`)
      )
    )
  )
