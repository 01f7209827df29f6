/** What Swarm's states of a helper's tasks tell about the helper's commands, once its service was removed. */
import type { Task } from "../engine/EngineSchemas.ts"

/** How a helper ended whose service was removed. */
export type HelperEnd =
  /** It never ran, so it began no command. */
  | { readonly _tag: "NeverRan" }
  /** It ran, or may have: it ended its commands before it ended itself. */
  | { readonly _tag: "Ended" }
  /** It may still run. */
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
 * Whether a task ran, given each status in which it was seen until Swarm deleted it.
 *
 * **Details**: a task that is stopped before it ran ends as `shutdown`, as one that ran does; only the latter has a container. Swarm needs
 * over two seconds to stop a container that runs, so several looks see it.
 */
export const mayHaveRun = (seen: ReadonlyArray<Task["Status"]>): boolean =>
  seen.some(({ ContainerStatus, State }) => {
    if (beforeStart.has(State)) return false
    return State !== "shutdown" || (ContainerStatus?.ContainerID ?? "") !== ""
  })
