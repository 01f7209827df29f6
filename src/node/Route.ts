/** Which way a request takes to the target's node. */
import * as Effect from "effect/Effect"
import { DockerEngine } from "../engine/DockerEngine.ts"
import type { SwarmFailure } from "../engine/EngineErrors.ts"
import { type ContainerSummary, swarmNodeLabel, swarmTaskLabel } from "../engine/EngineSchemas.ts"
import { RouteUnavailable } from "../helper/HelperErrors.ts"
import type { Via } from "../request/Via.ts"
import type { ResolvedTask } from "../target/ResolvedTask.ts"

/**
 * The node of the engine at hand, as the swarm knows it; empty when it is in none.
 *
 * A task's container says it. `GET /info` does, too, and is asked where there is none: it takes an engine of 2020 ten times as
 * long, as it runs three programs for it.
 */
export const localNode: Effect.Effect<string, SwarmFailure, DockerEngine> = DockerEngine.use(
  ({ info, listContainers }) =>
    listContainers({ label: [swarmNodeLabel], status: ["running"] }, { all: false, limit: 1 }).pipe(
      // Who may not ask for that may well ask for the other.
      Effect.catchTag("EngineError", () => Effect.succeed([])),
      Effect.flatMap(([container]) => {
        const node = container === undefined ? undefined : nodeOfTask(container)
        return node === undefined ? Effect.map(info, ({ Swarm }) => Swarm.NodeID) : Effect.succeed(node)
      })
    )
)

/** An image that was made of a task's container has its labels, too; the name is Swarm's own. */
const nodeOfTask = ({ Labels, Names }: ContainerSummary): string | undefined => {
  const task = Labels[swarmTaskLabel]
  return task !== undefined && Names.some((name) => name.endsWith(`.${task}`)) ? Labels[swarmNodeLabel] : undefined
}

/**
 * Chooses the route to a task from the node `here` (see {@link localNode}), other than by an agent. Fails with `RouteUnavailable` when
 * `local` is asked for a task on another node.
 */
export const chooseRoute = (
  task: ResolvedTask,
  via: Exclude<Via, "agent">,
  here: string
): Effect.Effect<"local" | "helper", RouteUnavailable> => {
  if (task.node.id === here && via !== "helper") return Effect.succeed("local")
  if (via !== "local") return Effect.succeed("helper")
  const detail = `task ${task.name} runs on node ${task.node.hostname}, which is not the node of this engine`
  return Effect.fail(new RouteUnavailable({ via, detail }))
}
