/** Which way a request takes to the target's node. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { DockerEngine } from "../engine/DockerEngine.ts"
import type { SwarmFailure } from "../engine/EngineErrors.ts"
import type { ResolvedTask } from "../target/Lookup.ts"
import { RouteUnavailable } from "./HelperErrors.ts"

/** What may be asked for: `auto` is `local` where the engine at hand runs the task, and `helper` elsewhere. */
export const Via = Schema.Literals(["auto", "local", "helper"])

/** What may be asked for. */
export type Via = typeof Via.Type

/** The way that is taken: `local` (the engine at hand runs the task) or `helper` (a temporary service on its node). */
export type Route = Exclude<Via, "auto">

/** The node of the engine at hand, as the swarm knows it; empty when it is in none. */
export const localNode: Effect.Effect<string, SwarmFailure, DockerEngine> = DockerEngine.use(({ info }) =>
  Effect.map(info, ({ Swarm }) => Swarm.NodeID)
)

/**
 * Chooses the route to a task from the node `here` (see {@link localNode}). Fails with `RouteUnavailable` when `local`
 * is asked for a task on another node.
 */
export const chooseRoute = (task: ResolvedTask, via: Via, here: string): Effect.Effect<Route, RouteUnavailable> => {
  if (via === "helper") return Effect.succeed("helper")
  if (task.node.id === here) return Effect.succeed("local")
  if (via === "auto") return Effect.succeed("helper")
  const detail = `task ${task.name} runs on node ${task.node.hostname}, which is not the node of this engine`
  return Effect.fail(new RouteUnavailable({ via, detail }))
}
