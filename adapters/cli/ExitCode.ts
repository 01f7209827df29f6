/** Which exit code an error gets. */
import type { ConfigError } from "effect/Config"
import type { InvalidEndpoint } from "../../src/engine/EngineErrors.ts"
import type { FleetError } from "../../src/fleet/Fleet.ts"
import type { TaskExecError } from "../../src/TaskExec.ts"
import type { AuditFailed } from "../audit/AuditFile.ts"
import type { LocalFailed } from "../cp/LocalFailed.ts"
import type { UsageError } from "./Usage.ts"

/** The codes of `task-exec` that are not the command's own. */
export const exitCodes = { usage: 2, timedOut: 124, failed: 125, notStarted: 126, outputClosed: 141 } as const

/** What a command line can fail with. */
export type CommandError =
  | TaskExecError
  | FleetError
  | UsageError
  | ConfigError
  | InvalidEndpoint
  | LocalFailed
  | AuditFailed

/** The exit code for an error. */
export const exitCodeOf = (error: CommandError): number => {
  switch (error._tag) {
    case "UsageError":
    case "ConfigError":
    case "InvalidEndpoint":
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
