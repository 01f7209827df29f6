/** How no one running task can be found. */
import * as Schema from "effect/Schema"
import type { SwarmFailure } from "../engine/EngineErrors.ts"
import type { ProtectedTarget } from "../policy/ProtectedTarget.ts"

/** How many tasks or slots a message names. */
export const maxShown = 8

/** One of the tasks that a target could mean. */
export const Candidate = Schema.Struct({
  id: Schema.String,
  name: Schema.String,
  node: Schema.String,
  state: Schema.String
})

/** One of the tasks that a target could mean. */
export type Candidate = typeof Candidate.Type

/** Nothing in the swarm goes by that name. */
export class TaskNotFound extends Schema.TaggedError<TaskNotFound>()("TaskNotFound", {
  target: Schema.String,
  /** What was looked for and what there is instead. */
  detail: Schema.String,
  /** Name of the service that is there, where only such a task of it is not. */
  service: Schema.optionalKey(Schema.String)
}) {
  override get message(): string {
    return `no task for ${JSON.stringify(this.target)}: ${this.detail}`
  }
}

/** The target means more than one task. */
export class TaskAmbiguous extends Schema.TaggedError<TaskAmbiguous>()("TaskAmbiguous", {
  target: Schema.String,
  candidates: Schema.Array(Candidate)
}) {
  override get message(): string {
    const shown = this.candidates.slice(0, maxShown).map(({ id, name, node }) => `${name} on ${node} (${id})`)
    const more = this.candidates.length > maxShown ? `, and ${this.candidates.length - maxShown} more` : ""
    return `${JSON.stringify(this.target)} means ${this.candidates.length} tasks, name one: ${shown.join(", ")}${more}`
  }
}

/** The task is there, but does not run. */
export class TaskNotRunning extends Schema.TaggedError<TaskNotRunning>()("TaskNotRunning", {
  target: Schema.String,
  task: Candidate,
  /** Swarm's own words for what the task does or why it ended. */
  reason: Schema.String
}) {
  override get message(): string {
    const { id, name, node, state } = this.task
    const where = node === "" ? "" : ` on ${node}`
    return `task ${name}${where} (${id}) is not running: ${state}${this.reason === "" ? "" : `, ${this.reason}`}`
  }
}

/** How the lookup can fail. */
export type LookupError = TaskNotFound | TaskAmbiguous | TaskNotRunning | ProtectedTarget | SwarmFailure
