/** What comes to light about a node while a helper is made there, without asking more than is asked anyway. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { Task } from "../../src/engine/EngineSchemas.ts"
import type { SwarmShape } from "../../src/engine/Swarm.ts"
import { type Stamp, stampOf } from "./ClockOffset.ts"

/** A swarm for one helper, and what was seen through it. */
export interface TaskWatch {
  readonly swarm: SwarmShape
  /** Of every state, as it was first seen. */
  readonly stamps: () => ReadonlyArray<Stamp>
  /** The helper's task, as it was last seen. */
  readonly task: () => Task | undefined
}

/** Watches the requests to a swarm. All requests about tasks must concern the service that is made through it. */
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
