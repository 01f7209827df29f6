/** The sweep in the background of every run, fan-out and copy. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Swarm } from "../engine/Swarm.ts"
import { sweepSwarm } from "./Sweep.ts"

/** Milliseconds before the sweep begins. Shorter work needs no sweep. */
const startDelay = 100

/** Returns an effect that starts {@link sweepSwarm} in the background. Only its first run has an effect. The sweep ends with the scope. */
export const openBackgroundSweep: Effect.Effect<Effect.Effect<void, never, Swarm>, never, Scope.Scope> = Effect.map(
  Effect.scope,
  (scope) => {
    let isBegun = false
    return Effect.suspend(() => {
      if (isBegun) return Effect.void
      isBegun = true
      return Effect.sleep(startDelay).pipe(
        Effect.andThen(sweepSwarm()),
        Effect.catch((error) => Effect.logDebug(`cannot remove leftovers: ${error.message}`)),
        Effect.forkIn(scope),
        Effect.asVoid
      )
    })
  }
)
