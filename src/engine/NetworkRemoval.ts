/** Networks of the swarm, removed so that none of the name is in the way of the next one. */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { isNotFound, type SwarmFailure } from "./EngineErrors.ts"
import type { SwarmShape } from "./Swarm.ts"

/**
 * Waits until the connected engine has let go of a removed network, for a bounded time. The engine does so a moment after the
 * network's last container. Until then it lists the network, and resolves its name for services, which then fail.
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

/** What 20.10 says (with 500) where the swarm has none of the name any more, and the engine still shows one. */
const isStale = (error: SwarmFailure): boolean =>
  error._tag === "EngineError" && /^network \S+ not found$/.test(error.text)

/** Removes a network. That there is none is as good. The engine may show it for a while, see {@link networkGone}. */
export const dropNetwork = (swarm: SwarmShape, name: string): Effect.Effect<void, SwarmFailure> =>
  Effect.catchIf(
    swarm.removeNetwork(name),
    (error) => isStale(error) || isNotFound(error),
    () => Effect.void
  )

/** Removes a network, and waits until it is gone. That there is none is as good. */
export const removeNetwork = (swarm: SwarmShape, name: string): Effect.Effect<void, SwarmFailure> =>
  Effect.andThen(dropNetwork(swarm, name), networkGone(swarm, name))
