/** Creates objects of an engine or a swarm that are removed with a scope. */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { isNotFound, isNotSent, isSilent, isUnanswered, type SwarmFailure } from "./EngineErrors.ts"
import { summaryOf } from "./Hints.ts"
import { type Belonging, CurrentInventory, type Inventory, unreachableTimeout } from "./Inventory.ts"

/** The time within which an engine may still complete a creation whose caller has stopped waiting. */
const latestCreation = "5 seconds"
/**
 * The time within which a manager may deny an object of the swarm that exists. A new leader responds before it has applied the last entries
 * of its Raft log (swarmkit, `raftproxy` and `IsLeader`).
 */
const latestEntries = "1 second"
/** Retries quickly at first, then every two seconds. */
const often = Schedule.min([Schedule.exponential("100 millis"), Schedule.spaced("2 seconds")])

/**
 * Creates an object, and removes it when the scope closes. The removal must use the object's name, because the response to the creation may
 * be lost. It is retried for a bounded time, which all removals of a run share. Objects that can't be removed stay in the inventory.
 *
 * **Details**: "not found" may mean "not yet", and then the removal is retried for a while. Engine 20.10 completes a creation whose client has
 * disconnected, even after the removal, and a new leader may not know an object yet. An object whose creation was never requested is not
 * removed. A removal that is also used elsewhere must do nothing after it has succeeded: see {@link removeOnce}.
 */
export const owned = Effect.fnUntraced(function* <A, E extends SwarmFailure>(
  creation: Effect.Effect<A, E>,
  removal: Effect.Effect<void, SwarmFailure>,
  object: Belonging
): Effect.fn.Return<A, E, Scope.Scope> {
  const inventory = yield* CurrentInventory
  let isAnswered = false
  let isRequested = true
  const gone = Effect.suspend(() =>
    isAnswered && object.kind === "container"
      ? removal
      : Effect.retry(removal, {
          while: isNotFound,
          schedule: often.pipe(Schedule.upTo({ duration: isAnswered ? latestEntries : latestCreation }))
        })
  )
  yield* Effect.addFinalizer(() =>
    Effect.suspend(() =>
      isRequested ? removeFrom(inventory, object, gone) : Effect.sync(() => inventory.remove(object))
    )
  )
  inventory.add(object)
  return yield* creation.pipe(
    Effect.tap(() =>
      Effect.sync(() => {
        isAnswered = true
      })
    ),
    Effect.tapError((error) =>
      Effect.sync(() => {
        isAnswered = !isUnanswered(error)
        isRequested = !isNotSent(error)
      })
    )
  )
})

/** Returns a removal that does nothing once it has succeeded. */
export const removeOnce = <E>(removal: Effect.Effect<void, E>): Effect.Effect<void, E> => {
  let isRemoved = false
  return Effect.suspend(() =>
    isRemoved
      ? Effect.void
      : Effect.tap(removal, () =>
          Effect.sync(() => {
            isRemoved = true
          })
        )
  )
}

const removeFrom = Effect.fnUntraced(function* (
  inventory: Inventory,
  object: Belonging,
  removal: Effect.Effect<void, SwarmFailure>
) {
  const atMost = yield* inventory.remainingTime
  const began = yield* Clock.currentTimeMillis
  let reason = `no response within ${Duration.format(Duration.millis(atMost))}`
  let isReachable = true
  let isOver = false
  const isGone = yield* removal.pipe(
    Effect.catchIf(isNotFound, () => Effect.void),
    Effect.tapError((error) =>
      Effect.map(Clock.currentTimeMillis, (now) => {
        reason = summaryOf(error)
        // A single timeout proves nothing. The next request shows whether the engine is silent.
        isReachable = error._tag !== "EngineUnreachable" || error.reason === "Timeout"
        isOver = isSilent(error) || (!isReachable && now - began >= Math.min(atMost, unreachableTimeout))
        inventory.removalDelayed(began, isReachable)
      })
    ),
    Effect.retry({ schedule: often, while: () => !isOver }),
    Effect.as(true),
    Effect.timeoutOrElse({ duration: atMost, orElse: () => Effect.succeed(false) }),
    Effect.orElseSucceed(() => false),
    Effect.withSpan("TaskExec.remove", { attributes: { kind: object.kind, name: object.name } })
  )
  if (isGone) inventory.remove(object)
  else {
    inventory.removalDelayed(began, isReachable)
    inventory.failed(object, reason)
  }
})
