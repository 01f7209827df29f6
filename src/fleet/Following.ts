/** Follows the log of a slot (for a global service: of a node): of its task, and of each task that replaces it. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { isNotFound, type SwarmFailure } from "../engine/EngineErrors.ts"
import { summaryOf } from "../engine/Hints.ts"
import { Swarm } from "../engine/Swarm.ts"
import { isWanted, type Task } from "../engine/SwarmSchemas.ts"
import type { RunError } from "../Run.ts"
import { type ResolvedTask, resolvedTask, slotOf } from "../target/ResolvedTask.ts"
import { hasContainer } from "../target/TaskState.ts"
import type { TaskResult } from "./FleetEvent.ts"

/** Milliseconds within which Swarm must create the next task of a slot. It does so at once, even if the task starts after a delay. */
const creation = 10_000
/** Milliseconds between two checks of the tasks of a slot. */
const pause = 500
/** The time within which unreachable managers must respond again. */
const managerTimeout = "60 seconds"

/** Options of {@link follow}. */
export interface FollowOptions<R> {
  /** Reads the log of a task to its end. Runs `begun` when reading begins. */
  readonly read: (task: ResolvedTask, begun: Effect.Effect<void>) => Effect.Effect<TaskResult, RunError, R>
  /** Called before reading continues with the next task. */
  readonly replaced: (task: ResolvedTask, by: ResolvedTask) => Effect.Effect<void>
}

/**
 * Reads the logs of a slot until Swarm creates no more tasks there. Reads every task in turn, even if its container has already ended, so
 * that the output of a task that crashes at its start is not missed. Returns the result of the last task.
 */
export const follow = Effect.fnUntraced(function* <R>(
  first: ResolvedTask,
  { read, replaced }: FollowOptions<R | Scope.Scope>
): Effect.fn.Return<TaskResult, RunError, Exclude<R, Scope.Scope> | Swarm> {
  let task = first
  let hasBegun = false
  const begun = Effect.sync(() => {
    hasBegun = true
  })
  while (true) {
    const result = yield* Effect.result(Effect.scoped(read(task, begun)))
    if (Result.isFailure(result)) {
      if (!hasBegun) return yield* result.failure
      const { name, node } = task
      yield* Effect.logWarning(`the log of ${name} on ${node.hostname} may be incomplete: ${summaryOf(result.failure)}`)
    }
    const next = yield* nextOf(task)
    if (next === undefined) return yield* Effect.fromResult(result)
    yield* replaced(task, next)
    task = next
  }
})

/**
 * Waits until the next task of the same slot has a container. Returns `undefined` if Swarm wants no other task there. Waits without a
 * timeout for a task that Swarm wants and has not started, because the caller decides how long to follow.
 */
const nextOf = Effect.fnUntraced(function* (
  task: ResolvedTask
): Effect.fn.Return<ResolvedTask | undefined, SwarmFailure, Swarm> {
  const begin = yield* Clock.currentTimeMillis
  while (true) {
    const { isDue, next } = yield* Effect.retry(findNext(task), {
      schedule: Schedule.spaced("1 second").pipe(Schedule.upTo({ duration: managerTimeout }))
    })
    if (next !== undefined) return next
    if (!isDue && (yield* Clock.currentTimeMillis) - begin > creation) return undefined
    yield* Effect.sleep(pause)
  }
})

/** Finds the next task of a slot. `isDue`: Swarm wants a task in the slot that has no container yet. */
const findNext = Effect.fnUntraced(function* ({ id, node, service, slot }: ResolvedTask) {
  const none = { next: undefined, isDue: false }
  const swarm = yield* Swarm
  const owner = yield* swarm
    .inspectService(service.id)
    .pipe(Effect.catchIf(isNotFound, () => Effect.succeed(undefined)))
  if (owner === undefined) return none
  const isInSlot = (task: Task) => (slot === undefined ? task.NodeID === node.id : slotOf(owner, task) === slot)
  const inSlot = (yield* swarm.listTasks({ service: [service.id] })).filter(isInSlot)
  // If Swarm no longer lists the task, it lists only later ones.
  const createdAt = inSlot.find(({ ID }) => ID === id)?.CreatedAt ?? ""
  const later = inSlot.filter(({ CreatedAt, ID }) => ID !== id && CreatedAt > createdAt)
  const [first] = later.filter(hasContainer).sort((a, b) => (a.CreatedAt < b.CreatedAt ? -1 : 1))
  if (first === undefined) return { next: undefined, isDue: later.some(isWanted) }
  const nextNode = yield* swarm
    .inspectNode(first.NodeID ?? "")
    .pipe(Effect.catchIf(isNotFound, () => Effect.succeed(undefined)))
  return nextNode === undefined ? none : { next: resolvedTask(owner, nextNode, first), isDue: true }
})
