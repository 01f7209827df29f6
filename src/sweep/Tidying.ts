/** The sweep that every run, fan-out and copy does while it works. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Swarm } from "../engine/Swarm.ts"
import { sweepSwarm } from "./Sweep.ts"

/** Milliseconds before the sweep begins: short work does not wait for it. */
const shortWork = 100

/** Returns an effect that starts {@link sweepSwarm} in the background. It starts once, however often it is run, and ends with the scope. */
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
