/**
 * Waits for the task that a target names: deploy, wait, then run. Swarm says that a task runs once its container has
 * started and, where it has a health check, was found healthy.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import { isNotFound, type SwarmFailure } from "../engine/EngineErrors.ts"
import type { Task, TaskDetails } from "../engine/EngineSchemas.ts"
import { Swarm } from "../engine/Swarm.ts"
import { lookupTask } from "./Lookup.ts"
import type { LookupError } from "./LookupErrors.ts"
import type { ResolvedTask } from "./ResolvedTask.ts"
import type { Target } from "./Target.ts"
import { isUpToDate } from "./UpToDate.ts"

/** The time was up before the target's task ran. */
export class WaitTimedOut extends Schema.TaggedError<WaitTimedOut>()("WaitTimedOut", {
  target: Schema.String,
  /** Milliseconds. */
  after: Schema.Finite,
  /** How things stood at the end. */
  detail: Schema.String
}) {
  override get message(): string {
    return `waited ${this.after / 1000} s for ${JSON.stringify(this.target)}: ${this.detail}`
  }
}

/** The task runs, but as its service was before its last update. */
class TaskOutdated extends Schema.TaggedError<TaskOutdated>()("TaskOutdated", {
  task: Schema.String,
  node: Schema.String,
  /** Swarm's own words for how far the update is. */
  update: Schema.String
}) {
  override get message(): string {
    const update = this.update === "" ? "" : ` (${this.update})`
    return `task ${this.task} on ${this.node} is not updated yet${update}`
  }
}

/** The task runs, but the one before it in its place ended by itself. */
class TaskUnsteady extends Schema.TaggedError<TaskUnsteady>()("TaskUnsteady", {
  task: Schema.String,
  node: Schema.String,
  /** Swarm's own words for how the one before it ended. */
  failure: Schema.String
}) {
  override get message(): string {
    return `task ${this.task} on ${this.node} has not stayed up yet; the one before it: ${this.failure}`
  }
}

const pause = "250 millis"

/**
 * Milliseconds for which a task must have run if the one before it ended by itself: as long as Swarm watches an updated task (API
 * reference, `UpdateConfig.Monitor`).
 */
const probation = 5000

/**
 * The running task that a target names, as {@link lookupTask} finds it, as soon as there is one that is what its service is
 * to be now: a task that is to be replaced by an update, or was just replaced, is waited out. Where tasks end again and again,
 * one must have stayed up for 5 seconds.
 *
 * Fails with `WaitTimedOut` after `patience` milliseconds, with Swarm's words for the last failure, and at once with what no waiting changes: `TaskNotFound` where
 * there is no such service, `TaskAmbiguous`, the engine's errors.
 */
export const awaitTask = Effect.fn("TaskExec.wait")(function* (
  target: Target,
  patience: number,
  /** For the error: what the caller was asked to wait, of which `patience` is left. */
  wait = patience
): Effect.fn.Return<ResolvedTask, LookupError | WaitTimedOut, Swarm> {
  let detail = "no manager answered"
  let unready: string | undefined
  /** When each task was first seen to run. */
  const seen = new Map<string, number>()
  const look = lookupTask(target).pipe(
    Effect.tap((task) => Effect.flatMap(checkUpdated(task), (details) => checkSteady(task, details, seen))),
    Effect.tapError((error) =>
      Effect.sync(() => {
        detail = error.message
        unready = error._tag === "TaskNotRunning" ? error.task.id : undefined
      })
    )
  )
  const timedOut = Effect.gen(function* () {
    const failure = unready === undefined ? undefined : yield* failureBefore(unready)
    const more = failure === undefined ? "" : `; the one before it: ${failure}`
    return yield* new WaitTimedOut({ target: target.text, after: wait, detail: `${detail}${more}` })
  })
  return yield* look.pipe(
    Effect.retry({ while: mayPass, schedule: Schedule.spaced(pause) }),
    Effect.catchTag(["TaskOutdated", "TaskUnsteady"], (error) => Effect.die(error)),
    Effect.timeoutOrElse({
      duration: patience,
      orElse: () => timedOut
    })
  )
})

const mayPass = (error: LookupError | TaskOutdated | TaskUnsteady): boolean =>
  error._tag === "TaskNotRunning" ||
  error._tag === "TaskUnsteady" ||
  error._tag === "TaskOutdated" ||
  (error._tag === "TaskNotFound" && error.service !== undefined)

const checkUpdated = Effect.fnUntraced(function* ({ id, name, node, service }: ResolvedTask) {
  const swarm = yield* Swarm
  const outdated = (update: string) => new TaskOutdated({ task: name, node: node.hostname, update })
  const [task, { Spec, UpdateStatus }] = yield* Effect.all([swarm.inspectTask(id), swarm.inspectService(service.id)], {
    concurrency: 2
  }).pipe(Effect.catchIf(isNotFound, () => Effect.fail(outdated("it is gone"))))
  if (isUpToDate(task.Spec, Spec.TaskTemplate)) return task
  const { State = "", Message = "" } = UpdateStatus ?? {}
  return yield* outdated([State, Message].filter(Boolean).join(": "))
})

/** Fails where the task before this one ended by itself, until this one has run for a while. */
const checkSteady = Effect.fnUntraced(function* (
  { id, name, node }: ResolvedTask,
  details: TaskDetails,
  seen: Map<string, number>
): Effect.fn.Return<void, TaskUnsteady | SwarmFailure, Swarm> {
  const now = yield* Clock.currentTimeMillis
  const since = seen.get(id) ?? now
  seen.set(id, since)
  // The node's clock may be wrong; what this process has seen is right, and takes longer.
  if (now - Math.min(since, Date.parse(details.Status.Timestamp) || since) >= probation) return
  const failure = yield* lastFailure(details)
  if (failure !== undefined) return yield* new TaskUnsteady({ task: name, node: node.hostname, failure })
})

type Placed = Pick<Task, "ID" | "CreatedAt" | "NodeID" | "ServiceID" | "Slot">

/** Swarm's words for how the last task before this one in its place ended, if that ended by itself: Swarm's wish is "shutdown". */
const lastFailure = Effect.fnUntraced(function* (task: Placed) {
  const swarm = yield* Swarm
  const all = yield* swarm.listTasks({ service: [task.ServiceID] })
  const [last] = all
    .filter((other) => other.ID !== task.ID && other.CreatedAt < task.CreatedAt && isInPlaceOf(task, other))
    .sort((a, b) => (a.CreatedAt < b.CreatedAt ? 1 : -1))
  if (last === undefined || !["failed", "rejected", "complete"].includes(last.Status.State)) return undefined
  const { Err, Message, State } = last.Status
  return `${State}, ${Err ?? Message}`
})

const isInPlaceOf = (task: Placed, other: Placed): boolean =>
  task.Slot === undefined ? other.NodeID === task.NodeID : other.Slot === task.Slot

/** The same for a task of this ID, as far as the managers say it. */
const failureBefore = (id: string): Effect.Effect<string | undefined, never, Swarm> =>
  Swarm.use(({ inspectTask }) => inspectTask(id)).pipe(
    Effect.flatMap(lastFailure),
    Effect.timeoutOrElse({ duration: "5 seconds", orElse: () => Effect.succeed(undefined) }),
    Effect.orElseSucceed(() => undefined)
  )
