/** A node connection: runs commands on one node and copies files of its containers. */
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { TunnelLost } from "../carrier/Channel.ts"
import type { ExecEvent, ExecInput } from "../executor/ExecEvent.ts"
import type { EndRun, ExecSpec } from "../executor/ExecSpec.ts"
import type { KillResult } from "../executor/KillResult.ts"
import type { TaskPolicy } from "../policy/TaskPolicy.ts"
import type { ContainerFiles, FilesFailure } from "../protocol/ContainerFiles.ts"
import type { RunError } from "../Run.ts"
import type { Route } from "../request/Via.ts"
import type { HelperError } from "./HelperConnection.ts"

/** At least one command. */
export type Specs = readonly [ExecSpec, ...ReadonlyArray<ExecSpec>]

/** A command of a node connection. */
export interface NodeExec {
  /** The command begins when this stream is run. When its scope has closed, the command has ended or is detached. */
  readonly events: Stream.Stream<ExecEvent, RunError>
  /** Sends the command's processes a signal and, after the grace period, KILL. */
  readonly end: (run: EndRun) => Effect.Effect<KillResult>
  /** Whether the command may have begun although `Started` has not arrived: the node was asked to begin it. */
  readonly mayHaveBegun: () => boolean
}

/** Commands on one node. They share a helper, a connection to an agent, or a guard. */
export interface NodeCommands {
  /** Returns the command with this index. Call it once for each index. */
  readonly exec: (index: number, input: ExecInput) => Effect.Effect<NodeExec, RunError, Scope.Scope>
  /** Reports that a command has ended, or will never begin. */
  readonly leave: (index: number) => void
}

/** The errors of access to files on a node. */
export type FilesError = FilesFailure | Exclude<HelperError, TunnelLost>

/** A connection that runs commands and copies files on one node. It lasts until the scope in which it was opened closes. */
export interface NodeConnection {
  readonly route: Route
  /**
   * Prepares commands. Creates what they need when the first one begins, and removes it with the scope. The caller begins the `first`
   * commands at the same time, or reports with `leave` that they will not begin.
   */
  readonly commands: (specs: Specs, first: number) => Effect.Effect<NodeCommands, never, Scope.Scope>
  /** The files of a container. */
  readonly files: (container: string, policy: TaskPolicy) => Effect.Effect<ContainerFiles, FilesError, Scope.Scope>
}
