/** What the managers' objects say about a task: whether it runs, is the newest one in its slot, and runs the current spec. */
import { isDeepStrictEqual } from "node:util"
import type { Task } from "../engine/SwarmSchemas.ts"

/** Whether the task has a running container. */
export const isRunning = (task: Task): boolean =>
  task.Status.State === "running" && (task.Status.ContainerStatus?.ContainerID ?? "") !== ""

/** Whether the task has, or had, a container. */
export const hasContainer = (task: Task): boolean => (task.Status.ContainerStatus?.ContainerID ?? "") !== ""

type SlotFields = Pick<Task, "CreatedAt" | "NodeID" | "ServiceID" | "Slot">

const slotKey = ({ NodeID, ServiceID, Slot }: SlotFields): string => `${ServiceID} ${Slot ?? NodeID}`

/**
 * Keeps the newest task in each slot. A task of a global service has no slot number: as in SwarmKit, its slot is its node. During an update that starts the
 * new task first, two tasks run in a slot for a moment.
 */
export const newestInEachSlot = <A extends SlotFields>(
  tasks: ReadonlyArray<A>,
  keyOf: (task: A) => string = slotKey
): ReadonlyArray<A> => {
  const newest = new Map<string, A>()
  for (const task of tasks) {
    const key = keyOf(task)
    const other = newest.get(key)
    if (other === undefined || other.CreatedAt < task.CreatedAt) newest.set(key, task)
  }
  return [...newest.values()].sort((a, b) => (a.Slot ?? 0) - (b.Slot ?? 0))
}

/** Keeps one task in each slot: the running task or, if none runs, the newest task that had a container. */
export const newestWithContainer = (tasks: ReadonlyArray<Task>): ReadonlyArray<Task> => {
  const running = newestInEachSlot(tasks.filter(isRunning))
  const taken = new Set(running.map(slotKey))
  const others = newestInEachSlot(tasks.filter((task) => hasContainer(task) && !taken.has(slotKey(task))))
  return [...running, ...others]
}

/**
 * Compares the spec of a task with the `TaskTemplate` of its service. They differ during an update, and for a task that no update has
 * replaced.
 */
export const isUpToDate = (spec: unknown, template: unknown): boolean =>
  isDeepStrictEqual(comparable(spec), comparable(template))

/**
 * Returns the parts of a spec whose change makes Swarm replace a task. A new `Placement` alone does not: a task stays if its node fits the
 * new placement. Engines up to 28.5 report `Runtime` for services only.
 */
const comparable = (spec: unknown): unknown =>
  typeof spec === "object" && spec !== null ? { ...spec, Placement: undefined, Runtime: undefined } : spec
