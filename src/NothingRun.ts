/** Predicates for retries. */
import { type Aftermath, aftermathOf } from "./Aftermath.ts"
import { isTaskExecError } from "./TaskExecError.ts"

const tells = (error: unknown, what: (aftermath: Aftermath) => boolean): boolean =>
  isTaskExecError(error) && what(aftermathOf(error))

/** Whether an error is one of the library with which it is certain that the command has not run. */
export const isNothingRun = (error: unknown): boolean => tells(error, ({ ran }) => ran === "no")

/** Whether an error is one of the library after which trying again does no harm, and may succeed. */
export const isRetryable = (error: unknown): boolean => tells(error, ({ retry }) => retry === "safe")
