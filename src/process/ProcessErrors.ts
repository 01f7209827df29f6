/** Converts the errors of a command in a task to Effect's `PlatformError`. The error of task-exec is the `cause`. */
import * as PlatformError from "effect/PlatformError"
import type { StandardCommand } from "effect/process/ChildProcess"
import * as CommandLine from "effect/process/CommandLine"
import type { RunError } from "../Run.ts"

/** The method of the spawner that fails, as Effect's spawner for Node names it. */
export type Method = "spawn" | "kill" | "exitCode" | "fromWritable(stdin)" | "fromReadable"

const module = "ChildProcess"

/** Shows a command. `Redacted` arguments stay hidden. */
const shown = ({ args, command }: StandardCommand): string => CommandLine.display([command, ...args])

/** Returns the error of an argument that a command in a task cannot have. */
export const unusable = (method: Method, description: string): PlatformError.PlatformError =>
  PlatformError.badArgument({ module, method, description })

/** Returns the error of a command that was killed, or of one that has ended. */
export const failure = (method: Method, command: StandardCommand, description: string): PlatformError.PlatformError =>
  PlatformError.systemError({
    _tag: "Unknown",
    module,
    method,
    pathOrDescriptor: shown(command),
    description
  })

/** Converts an error of a run. */
export const fromRun = (method: Method, command: StandardCommand, error: RunError): PlatformError.PlatformError =>
  error._tag === "InvalidRequest" || error._tag === "InvalidTarget"
    ? PlatformError.badArgument({ module, method, description: error.message, cause: error })
    : PlatformError.systemError({
        _tag: tagOf(error),
        module,
        method,
        pathOrDescriptor: shown(command),
        description: error.message,
        cause: error
      })

const tagOf = (error: RunError): PlatformError.SystemErrorTag => {
  switch (error._tag) {
    case "CommandNotFound":
    case "TaskNotFound":
      return "NotFound"
    case "CommandNotStarted":
      // Only the container runtime's text has the reason.
      if (/no such file or directory/i.test(error.detail)) return "NotFound"
      return /permission denied/i.test(error.detail) ? "PermissionDenied" : "Unknown"
    case "PolicyDenied":
    case "ProtectedTarget":
      return "PermissionDenied"
    case "ExecTimeout":
    case "WaitTimedOut":
      return "TimedOut"
    default:
      return "Unknown"
  }
}
