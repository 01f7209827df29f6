/** The route of a request to the target's node. */
import * as Effect from "effect/Effect"
import type { SwarmFailure } from "../engine/EngineErrors.ts"
import { type ContainerSummary, swarmNodeLabel, swarmTaskLabel } from "../engine/EngineSchemas.ts"
import { Swarm } from "../engine/Swarm.ts"
import { RouteUnavailable } from "../helper/ConnectionErrors.ts"
import type { Via } from "../request/Via.ts"
import type { ResolvedTask } from "../target/ResolvedTask.ts"

/**
 * Returns the ID of the connected engine's node; empty if the engine is in no swarm.
 *
 * A label of each task's container holds the ID. Without such a container, `GET /info` returns it: that takes engine 20.10 ten times as
 * long, because it runs three programs for its response.
 */
export const localNode: Effect.Effect<string, SwarmFailure, Swarm> = Swarm.use(({ engine, info }) =>
  Effect.flatMap(engine, ({ listContainers }) =>
    listContainers({ label: [swarmNodeLabel], status: ["running"] }, { all: false, limit: 1 })
  ).pipe(
    // An authorization plugin may forbid this request alone. If the engine can't be reached, another manager may respond to `info`.
    Effect.catchTag(["EngineError", "EngineUnreachable"], () => Effect.succeed([])),
    Effect.flatMap(([container]) => {
      const node = container === undefined ? undefined : nodeOfTask(container)
      return node === undefined ? Effect.map(info, ({ Swarm }) => Swarm.NodeID) : Effect.succeed(node)
    })
  )
)

/** Returns the node ID of a task's container. Checks the name, too: an image that was committed from a task's container has its labels. */
const nodeOfTask = ({ Labels, Names }: ContainerSummary): string | undefined => {
  const task = Labels[swarmTaskLabel]
  return task !== undefined && Names.some((name) => name.endsWith(`.${task}`)) ? Labels[swarmNodeLabel] : undefined
}

/**
 * Chooses between the routes `local` and `helper`. `connected`: ID of the connected engine's node. Fails with `RouteUnavailable` when
 * `local` is asked for a task on another node.
 */
export const chooseRoute = (
  task: ResolvedTask,
  via: Exclude<Via, "agent">,
  connected: string
): Effect.Effect<"local" | "helper", RouteUnavailable> => {
  if (task.node.id === connected && via !== "helper") return Effect.succeed("local")
  if (via !== "local") return Effect.succeed("helper")
  const detail = `task ${task.name} runs on node ${task.node.hostname}, not on the connected engine's node`
  return Effect.fail(new RouteUnavailable({ via, detail }))
}
