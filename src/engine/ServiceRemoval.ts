/**
 * Removes a service without crashing a manager.
 *
 * Engines before 29.1 panic in `SetServiceTasksRemove` (swarmkit) if a service is removed at the moment at which Swarm's task reaper
 * deletes one of its tasks. The reaper deletes (swarmkit, `task_reaper.go`):
 *
 * - tasks that have ended after a service was scaled down, so task-exec never scales a service down;
 * - the oldest tasks of a slot (in a global service: of a node) that has more tasks than the task history limit. If the restart policy has
 *   `MaxAttempts`, the limit is `MaxAttempts + 1`, whatever the swarm's limit is.
 *
 * So every service of task-exec has a {@link restartPolicy} with `MaxAttempts`, and is removed only while no slot has more tasks than the
 * reaper keeps. The services of helpers and sweepers never have more, because Swarm replaces their tasks at most `MaxAttempts` times.
 * Agents are replaced any number of times, so their service is removed with {@link removeSettled}.
 */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type { SwarmFailure } from "./EngineErrors.ts"
import type { ServiceSpec } from "./RequestBodies.ts"
import type { SwarmShape } from "./Swarm.ts"
import type { Task } from "./SwarmSchemas.ts"

/** How often Swarm replaces a task that was killed or failed. */
const attempts = 5

/** The number of tasks of a slot that the reaper keeps. */
export const keptTasks = attempts + 1

const second = 1_000_000_000

/** When Swarm replaces a task that has ended. */
export type Restarts =
  /** Never, except perhaps after a leader change (swarmkit#2327). */
  | "never"
  /** If the task was killed or failed, up to five times. */
  | "on-failure"
  /** Always. */
  | "always"

/** Returns a restart policy with which the task reaper keeps {@link keptTasks} tasks of a slot. */
export const restartPolicy = (restarts: Restarts): NonNullable<ServiceSpec["TaskTemplate"]["RestartPolicy"]> => {
  switch (restarts) {
    case "never":
      return { Condition: "none", MaxAttempts: attempts }
    case "on-failure":
      return { Condition: "on-failure", MaxAttempts: attempts, Delay: second / 2 }
    case "always":
      // Swarm counts the restarts within the window. The delay allows at most two in a window, so the limit is never reached.
      return { Condition: "any", MaxAttempts: attempts, Delay: second, Window: second }
  }
}

/** The time to wait for the reaper, which starts 250 ms after the creation of a task. */
const settling = Schedule.spaced("50 millis").pipe(Schedule.upTo({ duration: "10 seconds" }))

/**
 * Removes a service whose tasks Swarm always replaces. Waits, for at most 10 seconds, until no slot has more tasks than the reaper keeps.
 */
export const removeSettled = (swarm: SwarmShape, service: string): Effect.Effect<void, SwarmFailure> =>
  swarm
    .listTasks({ service: [service] })
    .pipe(Effect.repeat({ schedule: settling, until: isSettled }), Effect.andThen(swarm.removeService(service)))

const isSettled = (tasks: ReadonlyArray<Task>): boolean =>
  [...Map.groupBy(tasks, ({ NodeID, Slot }) => Slot ?? NodeID).values()].every(({ length }) => length <= keptTasks)
