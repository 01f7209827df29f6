/** Decides by Swarm's states of a helper's tasks whether the helper ran before its service was removed. */
import type { Task } from "../engine/SwarmSchemas.ts"

/** The end of a helper whose service was removed. */
export type HelperEnd =
  /** The helper never ran, so it began no command. */
  | { readonly _tag: "NeverRan" }
  /** The helper ran, or may have run. It killed its commands before it ended. */
  | { readonly _tag: "Ended" }
  /** The helper may still run. */
  | { readonly _tag: "Unconfirmed"; readonly detail: string }

/** The states before a task's container is started (API reference, `TaskState`). */
const beforeStart: ReadonlySet<string> = new Set([
  "new",
  "allocated",
  "pending",
  "assigned",
  "accepted",
  "preparing",
  "ready",
  "rejected"
])

/**
 * Whether a task ran. `statuses`: all statuses in which the task was seen until Swarm deleted it.
 *
 * **Details**: a task that is stopped before it runs ends as `shutdown`, like a task that ran, but it has no container. Swarm needs over
 * two seconds to stop a running container, so several polls see its container.
 */
export const mayHaveRun = (statuses: ReadonlyArray<Task["Status"]>): boolean =>
  statuses.some(({ ContainerStatus, State }) => {
    if (beforeStart.has(State)) return false
    return State !== "shutdown" || (ContainerStatus?.ContainerID ?? "") !== ""
  })
