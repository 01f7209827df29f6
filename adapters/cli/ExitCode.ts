/** Which exit code an error gets. */
import type { ConfigError } from "effect/Config"
import type { InvalidEndpoint } from "../../src/engine/EngineErrors.ts"
import type { FleetError } from "../../src/fleet/Fleet.ts"
import type { RunError } from "../../src/Run.ts"
import type { AuditFailed } from "../audit/AuditFile.ts"
import type { LocalFailed } from "../cp/LocalFailed.ts"
import type { UsageError } from "./Usage.ts"

/** The codes of `task-exec` that are not the command's own. */
export const exitCodes = { usage: 2, timedOut: 124, failed: 125, notStarted: 126, outputClosed: 141 } as const

/** What a command line can fail with. */
export type CommandError =
  | RunError
  | FleetError
  | UsageError
  | ConfigError
  | InvalidEndpoint
  | LocalFailed
  | AuditFailed

/** Errors in the command line, the environment or the request: nothing was done. Every command takes these, and only these, for wrong usage. */
const usageErrors: ReadonlyArray<CommandError["_tag"]> = [
  "UsageError",
  "ConfigError",
  "InvalidEndpoint",
  "InvalidTarget",
  "InvalidRequest"
]

/** An error of any command. */
interface Failure {
  readonly _tag: string
  /** What became of a command that was to be ended. */
  readonly ending?: { readonly _tag: string }
}

/** The exit code for an error of any command. `failed`: where the error is neither wrong usage nor the command's. */
export const exitCodeOf = ({ _tag, ending }: Failure, failed: number = exitCodes.failed): number => {
  if (usageErrors.some((tag) => tag === _tag)) return exitCodes.usage
  switch (_tag) {
    case "CommandNotFound":
    case "CommandNotStarted":
      return exitCodes.notStarted
    case "ExecTimeout":
      // 124 says that the command is gone.
      return ending?._tag === "Killed" ? exitCodes.timedOut : failed
    case "OutputClosed":
      return exitCodes.outputClosed
    default:
      return failed
  }
}
