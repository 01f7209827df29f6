/** A task that a lookup has found, with its service and its node. */
import type { Node, Service, Task } from "../engine/SwarmSchemas.ts"
import { roleOf } from "../Labels.ts"
import { allowLabel, denyDefaultLabel } from "../policy/Policy.ts"
import type { TaskPolicy } from "../policy/TaskPolicy.ts"

/**
 * A running task, with its service, its node, its container and its policy.
 *
 * @category models
 * @since 0.1.0
 */
export interface ResolvedTask {
  /** The task's ID. */
  readonly id: string
  /** `web.2`, or `web@node-3` for a task of a global service. */
  readonly name: string
  readonly service: { readonly id: string; readonly name: string }
  /** Absent for a task of a global service. */
  readonly slot?: number
  readonly node: TaskNode
  /** Full ID of the task's container, on its node. */
  readonly container: string
  /** The task's policy, as the managers know it. */
  readonly policy: TaskPolicy
}

/**
 * The node of a task, as the managers see it.
 *
 * @category models
 * @since 0.1.0
 */
export interface TaskNode {
  readonly id: string
  readonly hostname: string
  /** `ready`, `down`, `unknown`, `disconnected`. */
  readonly state: string
  /** `active`, `pause`, `drain`. */
  readonly availability: string
}

/** Combines a task with its service and its node. */
export const resolvedTask = (service: Service, node: Node, task: Task): ResolvedTask => {
  const hostname = node.Description.Hostname
  const name = taskName(service, task, hostname)
  const slot = slotOf(service, task)
  const serviceAllow = service.Spec.Labels[allowLabel]
  const containerAllow = task.Spec.ContainerSpec?.Labels[allowLabel]
  const denyDefault = node.Spec.Labels[denyDefaultLabel] ?? "false"
  return {
    id: task.ID,
    name,
    service: { id: service.ID, name: service.Spec.Name },
    node: { id: node.ID, hostname, state: node.Status.State, availability: node.Spec.Availability },
    container: task.Status.ContainerStatus?.ContainerID ?? "",
    policy: {
      service: service.Spec.Name,
      task: name,
      node: hostname,
      ...(serviceAllow === undefined ? {} : { serviceAllow }),
      ...(containerAllow === undefined ? {} : { containerAllow }),
      ...(denyDefault === "false" ? {} : { denyDefault: "Node" })
    },
    ...(slot === undefined ? {} : { slot })
  }
}

/** Returns the role of a task of task-exec itself; `undefined` for all other tasks. See `roleOf`. */
export const ownRole = (service: Service, { Spec }: Task): string | undefined =>
  roleOf(service.Spec.Labels) ?? roleOf(Spec.ContainerSpec?.Labels ?? {})

/** Returns the task's slot; `undefined` for a task of a global service. The slots of a replicated job start at 0, which engines omit. */
export const slotOf = (service: Service | undefined, task: Task): number | undefined =>
  task.Slot ?? (service?.Spec.Mode.ReplicatedJob === undefined ? undefined : 0)

/** Returns the task's name: `web.2`, or `web@node-3` for a task without a slot. `node`: host name. */
export const taskName = (service: Service | undefined, task: Task, node: string): string => {
  const name = service?.Spec.Name ?? task.ServiceID
  const slot = slotOf(service, task)
  return slot === undefined ? `${name}@${node}` : `${name}.${slot}`
}
