/**
 * Waits for the task that a target names. Swarm reports a task as running once its container has started and, if it has a health check,
 * is healthy.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import { isNotFound, type SwarmFailure } from "../engine/EngineErrors.ts"
import { summaryOf, withHint } from "../engine/Hints.ts"
import { Swarm } from "../engine/Swarm.ts"
import type { Task, TaskDetails } from "../engine/SwarmSchemas.ts"
import { type LookupOptions, lookupTask } from "./Lookup.ts"
import type { LookupError } from "./LookupErrors.ts"
import type { ResolvedTask } from "./ResolvedTask.ts"
import type { Target } from "./Target.ts"
import { isUpToDate } from "./TaskState.ts"

/**
 * The target's task did not run within the time to wait.
 *
 * @category errors
 * @since 0.1.0
 */
export class WaitTimedOut extends Schema.TaggedError<WaitTimedOut>()("WaitTimedOut", {
  target: Schema.String,
  /** Milliseconds. */
  after: Schema.Finite,
  /** The last reason why the task was not ready. */
  detail: Schema.String
}) {
  /** What failed, and why. */
  get summary(): string {
    return `timed out after ${this.after / 1000} s waiting for ${JSON.stringify(this.target)}: ${this.detail}`
  }

  /** The next step. */
  get hint(): string {
    return "Allow more time with --wait if the task only starts slowly."
  }

  override get message(): string {
    return withHint(this.summary, this.hint)
  }
}

/** The task runs, but with a spec from before the last update of its service. */
class TaskOutdated extends Schema.TaggedError<TaskOutdated>()("TaskOutdated", {
  task: Schema.String,
  node: Schema.String,
  /** Swarm's text about the state of the update. */
  update: Schema.String
}) {
  override get message(): string {
    const update = this.update === "" ? "" : ` (${this.update})`
    return `task ${this.task} on ${this.node} does not run the current service spec yet${update}`
  }
}

/** The task runs, but the previous task of its slot failed. */
class TaskUnsteady extends Schema.TaggedError<TaskUnsteady>()("TaskUnsteady", {
  task: Schema.String,
  node: Schema.String,
  /** Swarm's text about the end of the previous task. */
  failure: Schema.String
}) {
  override get message(): string {
    return `task ${this.task} on ${this.node} has run for less than ${monitorPeriod / 1000} s; the previous task: ${this.failure}`
  }
}

const pause = "250 millis"

/**
 * Milliseconds for which a task must have run if the previous task failed. Swarm monitors an updated task for the same time (API
 * reference, `UpdateConfig.Monitor`).
 */
export const monitorPeriod = 5000

/**
 * Options of {@link awaitTask}.
 *
 * @category targets
 * @since 0.2.0
 */
export interface AwaitTaskOptions extends LookupOptions {
  /** The whole time to wait, in milliseconds, for the error's message; default: `timeout`, which is what remains of it. */
  readonly wait?: number
}

/**
 * Waits for the running task that a target names, and returns it when it runs the current service spec.
 *
 * **When to use**: to compose the stages of a run by hand. Requests have `wait`.
 *
 * **Details**: skips tasks that an update is about to replace. After a failed task, its replacement must have run for 5 seconds.
 *
 * Fails with `WaitTimedOut` after `timeout` milliseconds, with Swarm's text about the last failure. Fails at once with errors that waiting
 * does not change: `TaskNotFound` if the service does not exist, `TaskAmbiguous`, the engine's errors.
 *
 * @category targets
 * @since 0.1.0
 */
export const awaitTask = Effect.fn("TaskExec.wait")(function* (
  target: Target,
  timeout: number,
  options: AwaitTaskOptions = {}
): Effect.fn.Return<ResolvedTask, LookupError | WaitTimedOut, Swarm> {
  let detail = "no manager responded"
  let lastReason: string | undefined
  /** The time at which each task was first seen to run. */
  const firstSeen = new Map<string, number>()
  const look = lookupTask(target, options).pipe(
    Effect.tap((task) => Effect.flatMap(checkUpdated(task), (details) => checkSteady(task, details, firstSeen))),
    Effect.tapError((error) =>
      Effect.sync(() => {
        detail = summaryOf(error)
        lastReason = error._tag === "TaskNotRunning" ? error.task.id : undefined
      })
    )
  )
  const timedOut = Effect.gen(function* () {
    const failure = lastReason === undefined ? undefined : yield* failureBefore(lastReason)
    const more = failure === undefined ? "" : `; the previous task: ${failure}`
    return yield* new WaitTimedOut({ target: target.text, after: options.wait ?? timeout, detail: `${detail}${more}` })
  })
  return yield* look.pipe(
    Effect.retry({ while: mayPass, schedule: Schedule.spaced(pause) }),
    Effect.catchTag(["TaskOutdated", "TaskUnsteady"], (error) => Effect.die(error)),
    Effect.timeoutOrElse({
      duration: timeout,
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
  }).pipe(Effect.catchIf(isNotFound, () => Effect.fail(outdated("the task was removed"))))
  if (isUpToDate(task.Spec, Spec.TaskTemplate)) return task
  const { State = "", Message = "" } = UpdateStatus ?? {}
  return yield* outdated([State, Message].filter(Boolean).join(": "))
})

/** Fails if the previous task failed, until this one has run for {@link monitorPeriod}. */
const checkSteady = Effect.fnUntraced(function* (
  { id, name, node }: ResolvedTask,
  details: TaskDetails,
  firstSeen: Map<string, number>
): Effect.fn.Return<void, TaskUnsteady | SwarmFailure, Swarm> {
  const now = yield* Clock.currentTimeMillis
  const since = firstSeen.get(id) ?? now
  firstSeen.set(id, since)
  // The node's clock may be wrong. The time for which this process has seen the task run is certain, but shorter.
  if (now - Math.min(since, Date.parse(details.Status.Timestamp) || since) >= monitorPeriod) return
  const failure = yield* lastFailure(details)
  if (failure !== undefined) return yield* new TaskUnsteady({ task: name, node: node.hostname, failure })
})

type TaskInSlot = Pick<Task, "ID" | "CreatedAt" | "NodeID" | "ServiceID" | "Slot">

/** Returns Swarm's text about the end of the previous task in the same slot, or on the same node, if that task failed. */
const lastFailure = Effect.fnUntraced(function* (task: TaskInSlot) {
  const swarm = yield* Swarm
  const all = yield* swarm.listTasks({ service: [task.ServiceID] })
  const [last] = all
    .filter((other) => other.ID !== task.ID && other.CreatedAt < task.CreatedAt && isInSameSlot(task, other))
    .sort((a, b) => (a.CreatedAt < b.CreatedAt ? 1 : -1))
  if (last === undefined || !["failed", "rejected", "complete"].includes(last.Status.State)) return undefined
  const { Err, Message, State } = last.Status
  return `${State}, ${Err ?? Message}`
})

const isInSameSlot = (task: TaskInSlot, other: TaskInSlot): boolean =>
  task.Slot === undefined ? other.NodeID === task.NodeID : other.Slot === task.Slot

/** Looks up the task and returns its {@link lastFailure}; `undefined` if the managers do not respond in time. */
const failureBefore = (id: string): Effect.Effect<string | undefined, never, Swarm> =>
  Swarm.use(({ inspectTask }) => inspectTask(id)).pipe(
    Effect.flatMap(lastFailure),
    Effect.timeoutOrElse({ duration: "5 seconds", orElse: () => Effect.succeed(undefined) }),
    Effect.orElseSucceed(() => undefined)
  )
