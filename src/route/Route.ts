/** Which way a request takes to the target's node. */
import * as Effect from "effect/Effect"
import { DockerEngine } from "../engine/DockerEngine.ts"
import type { SwarmFailure } from "../engine/EngineErrors.ts"
import { type ContainerSummary, swarmNodeLabel, swarmTaskLabel } from "../engine/EngineSchemas.ts"
import type { Via } from "../request/Via.ts"
import type { ResolvedTask } from "../target/ResolvedTask.ts"
import { RouteUnavailable } from "./HelperErrors.ts"

/** The way that is taken: `local` (the engine at hand runs the task), the `agent` or a temporary service on its node. */
export type Route = Exclude<Via, "auto" | "helper">

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

/** Whether agents are to be looked for: `here` and `there` are the nodes of the engine at hand and of the task. */
export const wantsAgent = (via: Via, here: string, there: string): boolean =>
  via === "agent" || (via === "auto" && here !== there)

/**
 * Chooses the route to a task from the node `here` (see {@link localNode}); `twoWay` when the command has an input or a
 * terminal. Fails with `RouteUnavailable` when `local` is asked for a task on another node, or `helper:logs` for something
 * that goes both ways.
 */
export const chooseRoute = (
  task: ResolvedTask,
  via: Exclude<Via, "agent">,
  here: string,
  twoWay = false
): Effect.Effect<Exclude<Route, "agent">, RouteUnavailable> => {
  if (via === "helper:tunnel") return Effect.succeed("helper:tunnel")
  if (via === "helper:logs" && twoWay) {
    return Effect.fail(
      new RouteUnavailable({ via, detail: "a log goes one way; stdin and a terminal need helper:tunnel" })
    )
  }
  if (via === "helper:logs") return Effect.succeed("helper:logs")
  if (task.node.id === here && via !== "helper") return Effect.succeed("local")
  if (via !== "local") return Effect.succeed(twoWay ? "helper:tunnel" : "helper:logs")
  const detail = `task ${task.name} runs on node ${task.node.hostname}, which is not the node of this engine`
  return Effect.fail(new RouteUnavailable({ via, detail }))
}
