/** The use of a chosen engine. A file of its own, because every start of a program loads `EngineChoice.ts`, and this one imports more. */
import * as Effect from "effect/Effect"
import { environmentWith } from "../../src/engine/Environment.ts"
import { CurrentInventory } from "../../src/engine/Inventory.ts"
import type { EngineChoice } from "./EngineChoice.ts"

const flagsOf = ({ DOCKER_CONTEXT: context, DOCKER_HOST: host }: EngineChoice): ReadonlyArray<string> => {
  if (host !== undefined) return ["-H", host]
  return context === undefined ? [] : ["--context", context]
}

/** Runs an effect with the engine that a command line names. The commands that its messages suggest name that engine, too. */
export const withEngine =
  (choice: EngineChoice) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.flatMap(CurrentInventory, (inventory) => {
      inventory.nameEngine(flagsOf(choice))
      return Effect.provide(effect, environmentWith(choice))
    })
