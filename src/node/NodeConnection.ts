/** An open way to run things on one node. */
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { TunnelLost } from "../carrier/Tunnel.ts"
import type { ExecEvent } from "../executor/ExecEvent.ts"
import type { EndRun, ExecSpec } from "../executor/ExecSpec.ts"
import type { ExecInput } from "../executor/Executor.ts"
import type { Ending } from "../executor/ExecutorErrors.ts"
import type { TaskPolicy } from "../policy/TaskPolicy.ts"
import type { ContainerFiles, FilesFailure } from "../protocol/ContainerFiles.ts"
import type { RunError } from "../Run.ts"
import type { Route } from "../request/Via.ts"
import type { HelperError } from "./HelperLink.ts"

/** Some commands, and at least one. */
export type Specs = readonly [ExecSpec, ...ReadonlyArray<ExecSpec>]

/** A command under way. */
export interface NodeExec {
  /** It begins when they are taken. When their scope is closed, it has ended, or was let go of. */
  readonly events: Stream.Stream<ExecEvent, RunError>
  /** Sends its processes a signal and, after the grace period, KILL. */
  readonly end: (run: EndRun) => Effect.Effect<Ending>
  /** Whether it may have begun before `Started` comes: the node was told to begin it, and its report is on its way. */
  readonly mayHaveBegun: () => boolean
}

/** Some commands on one node, which share what is made for them there. */
export interface NodeCommands {
  /** The command of this index; to be asked for once. */
  readonly exec: (index: number, input: ExecInput) => Effect.Effect<NodeExec, RunError, Scope.Scope>
  /** It is over, or will never begin. */
  readonly leave: (index: number) => void
}

/** How files of a node can't be reached. */
export type FilesError = FilesFailure | Exclude<HelperError, TunnelLost>

/** An open way to run things on one node, as long as the scope that it was opened in. */
export interface NodeConnection {
  readonly route: Route
  /**
   * Prepares commands. What they need is made when the first one begins, and is gone with the scope. The `first` of them are said to
   * begin at the same time, if they do.
   */
  readonly commands: (specs: Specs, first: number) => Effect.Effect<NodeCommands, never, Scope.Scope>
  /** The files of a container. */
  readonly files: (container: string, policy: TaskPolicy) => Effect.Effect<ContainerFiles, FilesError, Scope.Scope>
}
