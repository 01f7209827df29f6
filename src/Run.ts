/** A run of one command: its events and its errors. */
import * as Schema from "effect/Schema"
import type { AgentUnavailable } from "./agent/Agents.ts"
import type { ExecEvent } from "./executor/ExecEvent.ts"
import type { ExecutorError } from "./executor/ExecutorErrors.ts"
import type {
  ConnectionLost,
  OverlayBlocked,
  RelayFailed,
  RequestTooLarge,
  RouteUnavailable
} from "./helper/ConnectionErrors.ts"
import type { HelperStartError } from "./helper/Helper.ts"
import type { HelperFailed, HelperRefused, UsernsRemapped } from "./helper/HelperErrors.ts"
import type { OneOffError } from "./oneoff/OneOffErrors.ts"
import type { InvalidRequest } from "./request/InvalidRequest.ts"
import type { Route } from "./request/Via.ts"
import type { LookupError } from "./target/LookupErrors.ts"
import type { ResolvedTask } from "./target/ResolvedTask.ts"
import type { InvalidTarget } from "./target/Target.ts"
import type { WaitTimedOut } from "./target/Wait.ts"

/**
 * An event of a run. The order is `Resolved`, `Started`, any number of `Stdout` and `Stderr`, `Exited`. A detached command has only
 * `Resolved` and `Detached`.
 *
 * @category models
 */
export type RunEvent = { readonly _tag: "Resolved"; readonly task: ResolvedTask; readonly route: Route } | ExecEvent

/**
 * Every error with which a run can fail. An exit code other than 0 is not an error.
 *
 * @category errors
 */
export type RunError =
  | InvalidRequest
  | InvalidTarget
  | LookupError
  | WaitTimedOut
  | RouteUnavailable
  | AgentUnavailable
  | RequestTooLarge
  | HelperStartError
  | HelperFailed
  | HelperRefused
  | OverlayBlocked
  | RelayFailed
  | ConnectionLost
  | UsernsRemapped
  | OneOffError
  | OutputTooLarge
  | ExecutorError

/**
 * The output exceeds the limit of `TaskExec.run`, which keeps it in memory. The command was killed.
 *
 * @category errors
 * @since 0.1.0
 */
export class OutputTooLarge extends Schema.TaggedError<OutputTooLarge>()("OutputTooLarge", {
  /** The most bytes of output. */
  limit: Schema.Finite
}) {
  override get message(): string {
    return `the command's output exceeds ${this.limit} bytes, so the command was killed. Use TaskExec.stream, which has no limit.`
  }
}

/**
 * The most bytes of output that `TaskExec.run` keeps: 64 MiB, for stdout and stderr together.
 *
 * @category constants
 * @since 0.1.0
 */
export const collectLimit = 64 * 1024 * 1024
