/** Removes overlay networks. */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { isNotFound, type SwarmFailure } from "./EngineErrors.ts"
import type { SwarmShape } from "./Swarm.ts"

/**
 * Waits, for a bounded time, until the connected engine has dropped a removed network. The engine does so shortly after the network's last
 * container has ended. Until then, the engine lists the network, and new services that use its name fail.
 */
export const networkGone = (
  swarm: SwarmShape,
  name: string,
  atMost: Duration.Input = "5 seconds"
): Effect.Effect<void, SwarmFailure> =>
  swarm.listNetworks({ name: [name] }).pipe(
    Effect.repeat({
      schedule: Schedule.spaced("50 millis").pipe(Schedule.upTo({ duration: atMost })),
      until: (networks) => !networks.some(({ Name }) => Name === name)
    }),
    Effect.asVoid
  )

/** Whether this is the error of engine 20.10 (HTTP 500) for a network that the swarm has removed and the engine still lists. */
const isStale = (error: SwarmFailure): boolean =>
  error._tag === "EngineError" && /^network \S+ not found$/.test(error.text)

/** Removes a network. Succeeds if it does not exist. The engine may still list it for a while: see {@link networkGone}. */
export const dropNetwork = (swarm: SwarmShape, name: string): Effect.Effect<void, SwarmFailure> =>
  Effect.catchIf(
    swarm.removeNetwork(name),
    (error) => isStale(error) || isNotFound(error),
    () => Effect.void
  )

/** Removes a network, and waits until the engine has dropped it. Succeeds if it does not exist. */
export const removeNetwork = (swarm: SwarmShape, name: string): Effect.Effect<void, SwarmFailure> =>
  Effect.andThen(dropNetwork(swarm, name), networkGone(swarm, name))
