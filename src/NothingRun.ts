/** Predicates on errors, for retries. */
import { type Aftermath, aftermathOf } from "./Aftermath.ts"
import { isTaskExecError } from "./TaskExecError.ts"

const hasAftermath = (error: unknown, matches: (aftermath: Aftermath) => boolean): boolean =>
  isTaskExecError(error) && matches(aftermathOf(error))

/**
 * Whether an error proves that the command has not run.
 *
 * **Details**: `false` for values that are not errors of the library, because nothing is known about them. {@link aftermathOf} returns the
 * result as data.
 *
 * @category errors
 * @since 0.2.0
 */
export const isNothingRun = (error: unknown): boolean => hasAftermath(error, ({ ran }) => ran === "no")

/**
 * Whether trying again after this error does no harm and may succeed. `false` for values that are not errors of the library.
 *
 * **When to use**: as the condition of `Effect.retry`, or in `Schedule.while`.
 *
 * **Gotchas**: input that an attempt has read from `stdin` is missing in the next one.
 *
 * @category errors
 * @since 0.2.0
 */
export const isRetryable = (error: unknown): boolean => hasAftermath(error, ({ retry }) => retry === "safe")
