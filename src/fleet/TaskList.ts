/** Lists the tasks that Swarm wants to run, with their states. */
import * as Effect from "effect/Effect"
import type { SwarmFailure } from "../engine/EngineErrors.ts"
import type { Swarm } from "../engine/Swarm.ts"
import { type Service, type Task, withoutDigest } from "../engine/SwarmSchemas.ts"
import type { ProtectedTarget } from "../policy/PolicyErrors.ts"
import { ownRole, slotOf, taskName } from "../target/ResolvedTask.ts"
import { type NothingSelected, nodeNamed, readObjects, servicesOf } from "./Selection.ts"
import { byName } from "./TaskSet.ts"

/** Conditions for the tasks to list. All fields are optional. */
export interface ListedTasks {
  /** Name, ID, or unique prefix of the ID of a service. */
  readonly service?: string
  readonly stack?: string
  /** Host name, ID, or unique prefix of the ID of a node. */
  readonly node?: string
}

/** A task that Swarm wants to run, as the managers know it. */
export interface ListedTask {
  readonly id: string
  /** `web.2`, or `web@node-3` for a task of a global service. */
  readonly name: string
  readonly service: string
  /** `undefined` for a task of a global service. */
  readonly slot: number | undefined
  /** Host name; empty until Swarm has placed the task. */
  readonly node: string
  /** The state of the task: `running`, `starting`, `pending`, … */
  readonly state: string
  /**
   * `healthy` or `starting` if the service has a health check; otherwise `undefined`. The state of a task is `running` only after its health
   * check has passed, and Swarm replaces an unhealthy task.
   */
  readonly health: "healthy" | "starting" | undefined
  /** The time at which Swarm created the task: RFC 3339. */
  readonly created: string
  /** The image without its digest. */
  readonly image: string
  /** Full ID of the container; empty until the container exists. */
  readonly container: string
  /** Swarm's reason why the task does not run; empty without one. */
  readonly error: string
}

/**
 * Returns the tasks that Swarm wants to run, in the natural order of their names, without those of task-exec itself. Fails with
 * `NothingSelected` if the service, the stack or the node does not exist.
 */
export const listTasks = Effect.fn("TaskExec.listTasks")(function* ({
  node,
  service,
  stack
}: ListedTasks): Effect.fn.Return<ReadonlyArray<ListedTask>, NothingSelected | ProtectedTarget | SwarmFailure, Swarm> {
  const objects = yield* readObjects()
  const services = yield* servicesOf(objects, service === undefined ? [] : [service], stack)
  const onNode = node === undefined ? undefined : yield* nodeNamed(objects, node)
  const byId = new Map(services.map((object) => [object.ID, object]))
  const hostnames = new Map(objects.nodes.map(({ Description, ID }) => [ID, Description.Hostname]))
  return objects.tasks
    .flatMap((task) => {
      const owner = byId.get(task.ServiceID)
      const isElsewhere = onNode !== undefined && task.NodeID !== onNode.ID
      if (owner === undefined || isElsewhere || ownRole(owner, task) !== undefined) return []
      return [listed(owner, task, hostnames.get(task.NodeID ?? "") ?? task.NodeID ?? "")]
    })
    .sort((a, b) => byName(a.name, b.name))
})

const listed = (service: Service, task: Task, node: string): ListedTask => ({
  id: task.ID,
  name: taskName(service, task, node),
  service: service.Spec.Name,
  slot: slotOf(service, task),
  node,
  state: task.Status.State,
  health: healthOf(task),
  created: task.CreatedAt,
  image: withoutDigest(task.Spec.ContainerSpec?.Image ?? ""),
  container: task.Status.ContainerStatus?.ContainerID ?? "",
  error: task.Status.Err ?? ""
})

/** Returns the health of a task. The test `["NONE"]` turns off the image's health check. */
const healthOf = ({ Spec, Status }: Task): ListedTask["health"] => {
  const [test = "NONE"] = Spec.ContainerSpec?.Healthcheck?.Test ?? []
  if (test === "NONE") return undefined
  if (Status.State === "running") return "healthy"
  return Status.State === "starting" ? "starting" : undefined
}
