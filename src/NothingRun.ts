/** Predicates for retries. */
import { type Aftermath, aftermathOf } from "./Aftermath.ts"
import { isTaskExecError } from "./TaskExecError.ts"

const tells = (error: unknown, what: (aftermath: Aftermath) => boolean): boolean =>
  isTaskExecError(error) && what(aftermathOf(error))

/**
 * Whether an error is one of the library with which it is certain that the command has not run.
 *
 * **Details**: `false` for every other value, as nothing is known about it. {@link aftermathOf} returns the answer as data.
 *
 * @category errors
 * @since 0.2.0
 */
export const isNothingRun = (error: unknown): boolean => tells(error, ({ ran }) => ran === "no")

/**
 * Whether an error is one of the library after which trying again does no harm, and may succeed.
 *
 * **When to use**: as the condition of `Effect.retry`, or in `Schedule.while`.
 *
 * **Gotchas**: input that an attempt has read from `stdin` is missing in the next one.
 *
 * @category errors
 * @since 0.2.0
 */
export const isRetryable = (error: unknown): boolean => tells(error, ({ retry }) => retry === "safe")
