/** The agents of a swarm's nodes, as the managers list them. */
import * as Effect from "effect/Effect"
import { Swarm } from "../engine/Swarm.ts"
import type { Node, Service, Task } from "../engine/SwarmSchemas.ts"
import { agentLabels, agentService } from "./AgentProtocol.ts"

/**
 * The agent of one node, or the reason why it has none.
 *
 * @category agents
 * @since 0.1.0
 */
export interface AgentState {
  /** Host name of the node. */
  readonly node: string
  /** The state of the agent's task, or `none`. */
  readonly state: string
  /** The engine's reason why the agent does not run; empty without one. */
  readonly reason: string
  /** The agent's version of task-exec; empty without an agent. */
  readonly version: string
  /** Whether the agent runs with the service's version, image and callers' key. */
  readonly isCurrent: boolean
}

/** Returns the agents' service; `undefined` if it does not exist. */
export const findService = Swarm.use(({ listServices }) =>
  Effect.map(listServices({ name: [agentService] }), (services) =>
    services.find(({ Spec }) => Spec.Name === agentService)
  )
)

/** Returns the agent of every node that accepts tasks; `undefined` without the agents' service. */
export const listAgents = Effect.gen(function* () {
  const swarm = yield* Swarm
  const [service, nodes] = yield* Effect.all([findService, swarm.listNodes()], { concurrency: 2 })
  if (service === undefined) return undefined
  const tasks = yield* swarm.listTasks({ service: [service.ID] })
  return {
    nodes: nodes
      .filter(takesTasks)
      .map((node) => ({ state: stateOf(node, tasks, service), refused: refusalsOn(node, tasks, service) }))
  }
})

/** Whether Swarm starts tasks of a global service on the node. */
export const takesTasks = ({ Spec, Status }: Node): boolean =>
  Status.State === "ready" && Spec.Availability === "active"

const stateOf = ({ Description, ID }: Node, tasks: ReadonlyArray<Task>, service: Service): AgentState => {
  const onNode = tasks.filter(({ NodeID }) => NodeID === ID).toSorted(newestFirst)
  // After a rollback of the service, the current task may not be the newest one.
  const task = onNode.find((task) => task.Status.State === "running" && isOf(task, service)) ?? onNode[0]
  const state = task?.Status.State ?? "none"
  return {
    node: Description.Hostname,
    state,
    reason: task?.Status.Err ?? "",
    version: task?.Spec.ContainerSpec?.Labels[agentLabels.version] ?? "",
    isCurrent: task !== undefined && state === "running" && isOf(task, service)
  }
}

const newestFirst = (a: Task, b: Task): number => (a.CreatedAt < b.CreatedAt ? 1 : -1)

/** Whether a task has the current labels of its service. */
const isOf = ({ Spec: { ContainerSpec } }: Task, { Spec }: Service): boolean =>
  Object.values(agentLabels).every((label) => ContainerSpec?.Labels[label] === Spec.Labels[label])

/** States of a task that the node could not start. */
const refusals: ReadonlySet<string> = new Set(["rejected", "failed"])

/** Returns the tasks of the current service that the node could not start, newest first. */
const refusalsOn = ({ ID }: Node, tasks: ReadonlyArray<Task>, service: Service): ReadonlyArray<Task> =>
  tasks
    .filter((task) => task.NodeID === ID && refusals.has(task.Status.State) && isOf(task, service))
    .toSorted(newestFirst)
