/** The work of a caller, and its observed effects: the nodes' disks, local files, and connections. */
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { ClusterNode } from "../cluster/SwarmCluster.ts"
import type { CallerEnd, StartCaller } from "./Caller.ts"
import type { Plan } from "./Plan.ts"
import type { Amount } from "./Script.ts"
import type { Stage } from "./Stage.ts"

/** The observations of the command in one task. */
export interface TaskSeen {
  readonly node: string
  /** The lines that the command recorded. */
  readonly record: ReadonlyArray<string>
  /** The output that the caller received. */
  readonly stdout: Buffer
  /** The exit code that the caller reports. `undefined` if it reports none. */
  readonly exit: number | undefined
  /** Whether the caller reports that nothing of the command runs. */
  readonly isOver: boolean
}

/** The observations of a copy or a connection. */
export interface Delivery {
  readonly amount: Amount
  /** Whether the caller's exit code, or the end of the connection, says that all bytes have arrived. */
  readonly isClaimed: boolean
  /** Whether the connection neither ended nor was reset in time. */
  readonly isStuck: boolean
}

/** The observed effects of a run's work. */
export interface WorkSeen {
  /** One for each task with the command. */
  readonly tasks: ReadonlyArray<TaskSeen>
  /** For work without a command. */
  readonly delivery?: Delivery
}

/** The work of a caller. */
export interface Work {
  readonly args: ReadonlyArray<string>
  /** Starts the caller and its user. */
  readonly start: StartCaller
  /** Whether an effect of the work was observed. Default: whether a process of the command was. */
  readonly isUnderWay?: () => boolean
  /** Observes the effects and removes them. */
  readonly look: (end: CallerEnd | undefined, stdout: Buffer) => Effect.Effect<WorkSeen>
}

/** The circumstances of a run. */
export interface Job {
  readonly stage: Stage
  readonly plan: Plan
  /** Identifies the run on disks and in environments. */
  readonly token: string
  readonly target: ClusterNode
  /** The nodes with targets. */
  readonly nodes: ReadonlyArray<ClusterNode>
}

/** Prepares the work of a run, for the scope. */
export type MakeWork = (job: Job) => Effect.Effect<Work, never, Scope.Scope>
