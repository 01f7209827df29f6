/**
 * How a service is removed without crashing a manager.
 *
 * Engines before 29.1 panic in `SetServiceTasksRemove` (swarmkit) if a service is removed at the moment when Swarm's task reaper
 * deletes one of its tasks. The reaper deletes (swarmkit, `task_reaper.go`):
 *
 * - tasks that have ended after a service was scaled down, so nothing of ours scales a service down;
 * - the oldest tasks of a slot (in a global service: of a node) that has more of them than the task history limit. The limit is
 *   `MaxAttempts + 1` where the restart policy has `MaxAttempts`, whatever the swarm's own limit is.
 *
 * So every service of ours has a {@link restartPolicy} with `MaxAttempts`, and is removed only while no slot has more tasks than the
 * reaper keeps. A helper and a sweeper can never have more: Swarm replaces a task `MaxAttempts` times. An agent is replaced any number
 * of times, so its service is removed with {@link removeSettled}.
 */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type { SwarmFailure } from "./EngineErrors.ts"
import type { ServiceSpec, Task } from "./EngineSchemas.ts"
import type { SwarmShape } from "./Swarm.ts"

/** How often Swarm replaces a task that did not end by itself. */
const attempts = 5

/** How many tasks of a slot the reaper keeps. */
export const keptTasks = attempts + 1

const second = 1_000_000_000

/** Whether Swarm starts another task for one that has ended. */
export type Restarts =
  /** Never. Swarm may do so all the same after a change of leaders (swarmkit 2327). */
  | "never"
  /** For a task that was killed or has failed, five times. */
  | "on-failure"
  /** For every task, any number of times. */
  | "always"

/** A restart policy under which the task reaper keeps {@link keptTasks} tasks of a slot. */
export const restartPolicy = (restarts: Restarts): NonNullable<ServiceSpec["TaskTemplate"]["RestartPolicy"]> => {
  switch (restarts) {
    case "never":
      return { Condition: "none", MaxAttempts: attempts }
    case "on-failure":
      return { Condition: "on-failure", MaxAttempts: attempts, Delay: second / 2 }
    case "always":
      // Swarm counts the restarts within the window, in which the delay allows for no more than two.
      return { Condition: "any", MaxAttempts: attempts, Delay: second, Window: second }
  }
}

/** How long the reaper may take: it works 250 ms after a task was made. */
const settling = Schedule.spaced("50 millis").pipe(Schedule.upTo({ duration: "10 seconds" }))

/**
 * Removes a service whose tasks Swarm replaces any number of times: at a moment when no slot has more tasks than the reaper keeps, or
 * after 10 seconds without one.
 */
export const removeSettled = (swarm: SwarmShape, service: string): Effect.Effect<void, SwarmFailure> =>
  swarm
    .listTasks({ service: [service] })
    .pipe(Effect.repeat({ schedule: settling, until: isSettled }), Effect.andThen(swarm.removeService(service)))

const isSettled = (tasks: ReadonlyArray<Task>): boolean =>
  [...Map.groupBy(tasks, ({ NodeID, Slot }) => Slot ?? NodeID).values()].every(({ length }) => length <= keptTasks)
