/** Reports the stages of commands and sweeps leftovers while they run, for single runs and fan-outs. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Swarm } from "./engine/Swarm.ts"
import type { ExecEvent } from "./executor/ExecEvent.ts"
import { tapSome } from "./internal/tapSome.ts"
import type { Route } from "./request/Via.ts"
import { commandStages } from "./Stage.ts"
import { openBackgroundSweep } from "./sweep/BackgroundSweep.ts"

/** Adds stages and the sweep to the events of a command. */
export type ObserveCommand = <E, R>(
  route: Route,
  events: Stream.Stream<ExecEvent, E, R>
) => Effect.Effect<Stream.Stream<ExecEvent, E, R | Swarm>, never, Scope.Scope>

/** Returns the function for the commands of one scope. The first command that starts begins the sweep. */
export const openCommandObserver = Effect.gen(function* (): Effect.fn.Return<ObserveCommand, never, Scope.Scope> {
  const startSweep = yield* openBackgroundSweep
  return (route, events) =>
    Effect.map(commandStages(route === "local"), (stages) =>
      events.pipe(
        tapSome((event) => {
          if (event._tag === "Stdout" || event._tag === "Stderr") return undefined
          return event._tag === "Started" ? Effect.andThen(stages.see(event), startSweep) : stages.see(event)
        }),
        Stream.tapCause(() => stages.end)
      )
    )
})
