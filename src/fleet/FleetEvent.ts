/** The events of a fan-out: one command in many tasks. */
import type { RunError } from "../Run.ts"
import type { ResolvedTask } from "../target/ResolvedTask.ts"

/**
 * The result in one task of a fan-out.
 *
 * @category models
 * @since 0.1.0
 */
export type TaskResult =
  /** The command ended with this code. */
  | { readonly _tag: "Exited"; readonly code: number }
  /** The command has started. The fan-out does not wait for its end. */
  | { readonly _tag: "Detached" }
  /** The command could not be run, or its outcome is unknown. */
  | { readonly _tag: "Failed"; readonly error: RunError }
  /** The command was not started, because too many others had failed, the deadline had passed, or the fan-out was interrupted. */
  | { readonly _tag: "Skipped"; readonly reason: "failures" | "deadline" | "interrupted" }

/**
 * An event of a fan-out. `Chosen` is the first one, `Finished` the last one.
 *
 * @category models
 * @since 0.1.0
 */
export type FleetEvent =
  /** The selected tasks, in the order in which their commands start. */
  | { readonly _tag: "Chosen"; readonly tasks: ReadonlyArray<ResolvedTask> }
  /** The command runs in this task. */
  | { readonly _tag: "Started"; readonly task: ResolvedTask }
  /** Bytes of the command's output, unchanged. */
  | { readonly _tag: "Stdout" | "Stderr"; readonly task: ResolvedTask; readonly data: Uint8Array }
  /** The container of a followed log has ended, and reading continues with the next task in the same slot or on the same node. */
  | { readonly _tag: "Replaced"; readonly task: ResolvedTask; readonly by: ResolvedTask }
  /** The last event of this task. */
  | { readonly _tag: "Ended"; readonly task: ResolvedTask; readonly result: TaskResult }
  /** The result of each task, in the order of `Chosen`. */
  | { readonly _tag: "Finished"; readonly results: ReadonlyArray<TaskOutcome> }

/**
 * A task of a fan-out, and its result.
 *
 * @category models
 * @since 0.1.0
 */
export interface TaskOutcome {
  readonly task: ResolvedTask
  readonly result: TaskResult
}
