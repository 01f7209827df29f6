/** The sweep that every run, fan-out and copy does beside its work. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Swarm } from "../engine/Swarm.ts"
import { sweepSwarm } from "./Sweep.ts"

/** How long work takes that leaves no time for anything else, in milliseconds: it is not to wait for a sweep. */
const shortWork = 100

/**
 * Gives what begins a {@link sweepSwarm} beside the work of this scope, once, however often it is run. The sweep ends with the
 * scope.
 */
export const openTidying: Effect.Effect<Effect.Effect<void, never, Swarm>, never, Scope.Scope> = Effect.map(
  Effect.scope,
  (scope) => {
    let isBegun = false
    return Effect.suspend(() => {
      if (isBegun) return Effect.void
      isBegun = true
      return Effect.sleep(shortWork).pipe(
        Effect.andThen(sweepSwarm()),
        Effect.catch((error) => Effect.logDebug(`cannot remove leftovers: ${error.message}`)),
        Effect.forkIn(scope),
        Effect.asVoid
      )
    })
  }
)
