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

/** Chooses the route. Fails with `RouteUnavailable` when `local` is asked for a task on another node. */
export const chooseRoute = Effect.fn("TaskExec.chooseRoute")(function* (
  task: ResolvedTask,
  via: Via
): Effect.fn.Return<Route, RouteUnavailable | SwarmFailure, DockerEngine> {
  if (via === "helper") return "helper"
  const engine = yield* DockerEngine
  const { Swarm } = yield* engine.info
  if (Swarm.NodeID === task.node.id) return "local"
  if (via === "auto") return "helper"
  return yield* new RouteUnavailable({
    via,
    detail: `task ${task.name} runs on node ${task.node.hostname}, not on the node of ${engine.host}`
  })
})
