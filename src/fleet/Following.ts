/** Follows the log of a place: of the task that is there, and of each task that Swarm puts there after it. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { isNotFound, type SwarmFailure } from "../engine/EngineErrors.ts"
import { isWanted, type Task } from "../engine/EngineSchemas.ts"
import { summaryOf } from "../engine/Hints.ts"
import { Swarm } from "../engine/Swarm.ts"
import type { RunError } from "../Run.ts"
import { hasContainer } from "../target/Lookup.ts"
import { type ResolvedTask, resolvedTask, slotOf } from "../target/ResolvedTask.ts"
import type { TaskResult } from "./FleetEvent.ts"

/** Milliseconds in which Swarm must have created the next task of a place. It does so at once, also where a delay precedes its start. */
const creation = 10_000
/** Milliseconds between two looks at the tasks of a place. */
const pause = 500
/** The time in which managers must respond again. */
const patience = "60 seconds"

/** Options of {@link follow}. */
export interface FollowOptions<R> {
  /** Reads the log of a task to its end. Runs `begun` when the reading begins. */
  readonly read: (task: ResolvedTask, begun: Effect.Effect<void>) => Effect.Effect<TaskResult, RunError, R>
  /** Called before the reading goes on with the next task. */
  readonly replaced: (task: ResolvedTask, by: ResolvedTask) => Effect.Effect<void>
}

/**
 * Reads the logs until Swarm puts no more tasks in the place. Reads each task in turn, also one whose container has ended meanwhile, so that
 * the last words of a task that crashes at its start are not missed. The result is that of the last task.
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
 * Waits for the task after this one in its place, until it has, or had, a container. Returns `undefined` if Swarm wants no other task there.
 * Waits without a limit for a task that Swarm wants and has not started: the caller decides how long to follow.
 */
const nextOf = Effect.fnUntraced(function* (
  task: ResolvedTask
): Effect.fn.Return<ResolvedTask | undefined, SwarmFailure, Swarm> {
  const begin = yield* Clock.currentTimeMillis
  while (true) {
    const { isDue, next } = yield* Effect.retry(look(task), {
      schedule: Schedule.spaced("1 second").pipe(Schedule.upTo({ duration: patience }))
    })
    if (next !== undefined) return next
    if (!isDue && (yield* Clock.currentTimeMillis) - begin > creation) return undefined
    yield* Effect.sleep(pause)
  }
})

/** Looks for the next task of a place. `isDue`: Swarm wants one that has no container yet. */
const look = Effect.fnUntraced(function* ({ id, node, service, slot }: ResolvedTask) {
  const none = { next: undefined, isDue: false }
  const swarm = yield* Swarm
  const owner = yield* swarm
    .inspectService(service.id)
    .pipe(Effect.catchIf(isNotFound, () => Effect.succeed(undefined)))
  if (owner === undefined) return none
  const isHere = (one: Task) => (slot === undefined ? one.NodeID === node.id : slotOf(owner, one) === slot)
  const here = (yield* swarm.listTasks({ service: [service.id] })).filter(isHere)
  // Swarm may have forgotten the task, and then all tasks before it.
  const own = here.find(({ ID }) => ID === id)?.CreatedAt ?? ""
  const later = here.filter(({ CreatedAt, ID }) => ID !== id && CreatedAt > own)
  const [first] = later.filter(hasContainer).sort((a, b) => (a.CreatedAt < b.CreatedAt ? -1 : 1))
  if (first === undefined) return { next: undefined, isDue: later.some(isWanted) }
  const place = yield* swarm
    .inspectNode(first.NodeID ?? "")
    .pipe(Effect.catchIf(isNotFound, () => Effect.succeed(undefined)))
  return place === undefined ? none : { next: resolvedTask(owner, place, first), isDue: true }
})
