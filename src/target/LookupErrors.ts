/** The errors of a lookup of the task that a target names. */
import * as Schema from "effect/Schema"
import type { SwarmFailure } from "../engine/EngineErrors.ts"
import { withHint } from "../engine/Hints.ts"
import type { ProtectedTarget } from "../policy/PolicyErrors.ts"

/** The most tasks, slots or nodes that a message lists. */
export const maxShown = 8

/**
 * A task that a target matches.
 *
 * @category models
 * @since 0.1.0
 */
export const Candidate = Schema.Struct({
  id: Schema.String,
  name: Schema.String,
  node: Schema.String,
  state: Schema.String
})

/**
 * A task that a target matches.
 *
 * @category models
 * @since 0.1.0
 */
export type Candidate = typeof Candidate.Type

/**
 * No task of the swarm matches the target.
 *
 * @category errors
 * @since 0.1.0
 */
export class TaskNotFound extends Schema.TaggedError<TaskNotFound>()("TaskNotFound", {
  target: Schema.String,
  /** What does not exist, and what exists instead. */
  detail: Schema.String,
  /** Name of the target's service, if only the task does not exist. */
  service: Schema.optionalKey(Schema.String)
}) {
  /** What failed, and why. */
  get summary(): string {
    return `no task matches ${JSON.stringify(this.target)}: ${this.detail}`
  }

  /** The next step. */
  get hint(): string {
    return `Run "task-exec ls${this.service === undefined ? "" : ` ${this.service}`}" to list the tasks.`
  }

  override get message(): string {
    return withHint(this.summary, this.hint)
  }
}

/**
 * The target matches more than one running task.
 *
 * @category errors
 * @since 0.1.0
 */
export class TaskAmbiguous extends Schema.TaggedError<TaskAmbiguous>()("TaskAmbiguous", {
  target: Schema.String,
  candidates: Schema.Array(Candidate)
}) {
  /** What failed, and why. */
  get summary(): string {
    const shown = this.candidates.slice(0, maxShown).map(({ id, name, node }) => `${name} on ${node} (${id})`)
    const more = this.candidates.length > maxShown ? `, and ${this.candidates.length - maxShown} more` : ""
    return `${JSON.stringify(this.target)} matches ${this.candidates.length} tasks: ${shown.join(", ")}${more}`
  }

  /** The next step. */
  get hint(): string {
    return `Name one of them, such as ${this.candidates[0]?.name ?? "web.1"}.`
  }

  override get message(): string {
    return withHint(this.summary, this.hint)
  }
}

/**
 * The task exists, but does not run.
 *
 * @category errors
 * @since 0.1.0
 */
export class TaskNotRunning extends Schema.TaggedError<TaskNotRunning>()("TaskNotRunning", {
  target: Schema.String,
  task: Candidate,
  /** Swarm's text about the task's state. */
  reason: Schema.String
}) {
  /** What failed, and why. */
  get summary(): string {
    const { id, name, node, state } = this.task
    const where = node === "" ? "" : ` on ${node}`
    return `task ${name}${where} (${id}) is not running: ${state}${this.reason === "" ? "" : `, ${this.reason}`}`
  }

  /** The next step. */
  get hint(): string {
    const service = this.task.name.replace(/[.@].*/, "")
    return `See "docker service ps --no-trunc ${service}", or use --wait TIME to wait until it runs.`
  }

  override get message(): string {
    return withHint(this.summary, this.hint)
  }
}

/**
 * The errors of a lookup.
 *
 * @category errors
 * @since 0.1.0
 */
export type LookupError = TaskNotFound | TaskAmbiguous | TaskNotRunning | ProtectedTarget | SwarmFailure
