/**
 * Waits for the task that a target names: deploy, wait, then run. Swarm says that a task runs once its container has
 * started and, where it has a health check, was found healthy.
 */
import { isDeepStrictEqual } from "node:util"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import { DockerEngine } from "../engine/DockerEngine.ts"
import { isNotFound } from "../engine/EngineErrors.ts"
import { lookupTask } from "./Lookup.ts"
import type { LookupError } from "./LookupErrors.ts"
import type { ResolvedTask } from "./ResolvedTask.ts"
import type { Target } from "./Target.ts"

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

const pause = "250 millis"

/**
 * The running task that a target names, as {@link lookupTask} finds it, as soon as there is one that is what its service is
 * to be now: a task that is to be replaced by an update, or was just replaced, is waited out.
 *
 * Fails with `WaitTimedOut` after `patience` milliseconds, and at once with what no waiting changes: `TaskNotFound` where
 * there is no such service, `TaskAmbiguous`, the engine's errors.
 */
export const awaitTask = Effect.fn("TaskExec.wait")(function* (
  target: Target,
  patience: number
): Effect.fn.Return<ResolvedTask, LookupError | WaitTimedOut, DockerEngine> {
  let detail = "no manager answered"
  const look = lookupTask(target).pipe(
    Effect.tap(checkUpdated),
    Effect.tapError((error) =>
      Effect.sync(() => {
        detail = error.message
      })
    )
  )
  return yield* look.pipe(
    Effect.retry({ while: mayPass, schedule: Schedule.spaced(pause) }),
    Effect.catchTag("TaskOutdated", (error) => Effect.die(error)),
    Effect.timeoutOrElse({
      duration: patience,
      orElse: () => Effect.fail(new WaitTimedOut({ target: target.text, after: patience, detail }))
    })
  )
})

const mayPass = (error: LookupError | TaskOutdated): boolean =>
  error._tag === "TaskNotRunning" ||
  error._tag === "TaskOutdated" ||
  (error._tag === "TaskNotFound" && error.service !== undefined)

const checkUpdated = Effect.fnUntraced(function* ({ id, name, node, service }: ResolvedTask) {
  const engine = yield* DockerEngine
  const outdated = (update: string) => new TaskOutdated({ task: name, node: node.hostname, update })
  const [task, { Spec, UpdateStatus }] = yield* Effect.all(
    [engine.inspectTask(id), engine.inspectService(service.id)],
    { concurrency: 2 }
  ).pipe(Effect.catchIf(isNotFound, () => Effect.fail(outdated("it is gone"))))
  if (isDeepStrictEqual(comparable(task.Spec), comparable(Spec.TaskTemplate))) return
  const { State = "", Message = "" } = UpdateStatus ?? {}
  return yield* outdated([State, Message].filter(Boolean).join(": "))
})

/**
 * What makes Swarm replace a task. Not its placement: a task stays that is where a new placement would have it anyway. Not
 * `Runtime`, which engines up to 28.5 show of services only.
 */
const comparable = (spec: unknown): unknown =>
  typeof spec === "object" && spec !== null ? { ...spec, Placement: undefined, Runtime: undefined } : spec
