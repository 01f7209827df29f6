/** Which exit code an error gets. */
import type { TaskExecError } from "../../src/TaskExec.ts"
import type { UsageError } from "./Args.ts"

/** The codes of `task-exec` that are not the command's own. */
export const exitCodes = { usage: 2, timedOut: 124, failed: 125, notStarted: 126, outputClosed: 141 } as const

/** The exit code for an error. */
export const exitCodeOf = (error: TaskExecError | UsageError): number => {
  switch (error._tag) {
    case "UsageError":
    case "InvalidTarget":
    case "InvalidRequest":
      return exitCodes.usage
    case "CommandNotFound":
    case "CommandNotStarted":
      return exitCodes.notStarted
    case "TimedOut":
      // 124 says that the command is gone.
      return error.ending._tag === "Killed" ? exitCodes.timedOut : exitCodes.failed
    default:
      return exitCodes.failed
  }
}
