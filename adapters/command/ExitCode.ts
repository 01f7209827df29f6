/** Exit codes of errors. */
import type { ConfigError } from "effect/Config"
import type { InvalidEndpoint } from "../../src/engine/EngineErrors.ts"
import type { FleetError } from "../../src/fleet/Fleet.ts"
import type { InvalidConfigFile } from "../../src/helper/ConfigFile.ts"
import type { RunError } from "../../src/Run.ts"
import type { AuditFailed } from "../audit/AuditFile.ts"
import type { LocalFailed } from "./LocalFailed.ts"
import type { UsageError } from "./Usage.ts"

/** The exit codes that `task-exec` itself sets. */
export const exitCodes = {
  notConverged: 1,
  usage: 2,
  timedOut: 124,
  failed: 125,
  notStarted: 126,
  outputClosed: 141
} as const

/** Every error of a command line. */
export type CommandError =
  | RunError
  | FleetError
  | UsageError
  | ConfigError
  | InvalidEndpoint
  | InvalidConfigFile
  | LocalFailed
  | AuditFailed

/** Errors in the command line, the environment or the request. Nothing has run. Every command counts these, and only these, as wrong usage. */
const usageErrors: ReadonlyArray<CommandError["_tag"]> = [
  "UsageError",
  "ConfigError",
  "InvalidEndpoint",
  "InvalidConfigFile",
  "InvalidTarget",
  "InvalidRequest"
]

/** An error of any command. */
interface Failure {
  readonly _tag: string
  /** The kill result of the command. */
  readonly killResult?: { readonly _tag: string }
}

/** Returns the second line of an error of `command` (`task-exec cp`): the command for help after wrong usage, otherwise nothing. */
export const usageHint = (command: string, { _tag }: Failure): string =>
  usageErrors.some((tag) => tag === _tag) ? `\nSee '${command} --help'.` : ""

/** Returns the exit code of an error. `failed` is the code of errors that are neither wrong usage nor about the command. */
export const exitCodeOf = ({ _tag, killResult }: Failure, failed: number = exitCodes.failed): number => {
  if (usageErrors.some((tag) => tag === _tag)) return exitCodes.usage
  switch (_tag) {
    case "CommandNotFound":
    case "CommandNotStarted":
      return exitCodes.notStarted
    case "ExecTimeout":
      // 124 means that the command has ended.
      return killResult?._tag === "Killed" ? exitCodes.timedOut : failed
    case "ServiceNotConverged":
      return exitCodes.notConverged
    case "ConvergeTimedOut":
      return exitCodes.timedOut
    case "OutputClosed":
      return exitCodes.outputClosed
    default:
      return failed
  }
}
