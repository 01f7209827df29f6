/** Observes the requests for a helper: the stamps of its node's clock and its task, without further requests. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { SwarmShape } from "../../src/engine/Swarm.ts"
import type { Task } from "../../src/engine/SwarmSchemas.ts"
import { type Stamp, stampOf } from "./ClockOffset.ts"

/** A swarm for one helper, and the observations. */
export interface TaskWatch {
  readonly swarm: SwarmShape
  /** The stamp of each state, when it was first seen. */
  readonly stamps: () => ReadonlyArray<Stamp>
  /** The latest description of the helper's task. */
  readonly task: () => Task | undefined
}

/** Observes the requests to a swarm. All requests for tasks must be about the service that is created through it. */
export const watchTasks = (swarm: SwarmShape): TaskWatch => {
  const stamps = new Map<string, Stamp>()
  let made = Number.NEGATIVE_INFINITY
  let last: Task | undefined
  const see = (tasks: ReadonlyArray<Task>, now: number) => {
    for (const task of tasks) {
      last = task
      const key = `${task.ID} ${task.Status.State}`
      const stamp = stampOf(task, made, now)
      if (stamp !== undefined && !stamps.has(key)) stamps.set(key, stamp)
    }
  }
  return {
    swarm: {
      ...swarm,
      createService: (spec) =>
        Effect.flatMap(Clock.currentTimeMillis, (now) => {
          made = now
          return swarm.createService(spec)
        }),
      listTasks: (filters) =>
        Effect.tap(swarm.listTasks(filters), (tasks) => Effect.map(Clock.currentTimeMillis, (now) => see(tasks, now)))
    },
    stamps: () => [...stamps.values()],
    task: () => last
  }
}
