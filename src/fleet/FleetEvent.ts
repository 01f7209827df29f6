/** What a fan-out tells: one command in many tasks. */
import type { RunError } from "../Run.ts"
import type { ResolvedTask } from "../target/ResolvedTask.ts"

/** How it ended for one task. */
export type TaskResult =
  /** The command ended with this code. */
  | { readonly _tag: "Exited"; readonly code: number }
  /** The command was started, and nobody waits for its end. */
  | { readonly _tag: "Detached" }
  /** It could not be run there, or how it ended is not known. */
  | { readonly _tag: "Failed"; readonly error: RunError }
  /** It was not started: too many others had failed, time was up, or who asked for it was interrupted. */
  | { readonly _tag: "Skipped"; readonly reason: "failures" | "deadline" | "interrupted" }

/** What happens, in the order in which it happens: `Chosen` first, `Finished` last. */
export type FleetEvent =
  /** These tasks, in the order in which their turn comes. */
  | { readonly _tag: "Chosen"; readonly tasks: ReadonlyArray<ResolvedTask> }
  /** The command runs there. */
  | { readonly _tag: "Started"; readonly task: ResolvedTask }
  /** Bytes of that command's output, as it wrote them. */
  | { readonly _tag: "Stdout" | "Stderr"; readonly task: ResolvedTask; readonly data: Uint8Array }
  /** Nothing more comes of that task. */
  | { readonly _tag: "Ended"; readonly task: ResolvedTask; readonly result: TaskResult }
  /** Nothing more comes: each task's result, in the order of `Chosen`. */
  | { readonly _tag: "Finished"; readonly results: ReadonlyArray<TaskOutcome> }

/** A task and how it ended. */
export interface TaskOutcome {
  readonly task: ResolvedTask
  readonly result: TaskResult
}
