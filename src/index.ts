/**
 * `docker service exec`: run a command in the container of any Docker Swarm task, on any node, from any manager.
 *
 * Start with {@link TaskExec}; its stages are there one by one too.
 */

export {
  type AgentState,
  AgentsBusy,
  AgentsNotRunning,
  type AgentsUpOptions,
  type AgentsUpResult,
  agentsDown,
  agentsStatus,
  agentsUp
} from "./agent/AgentService.ts"
export { AgentUnavailable } from "./agent/Agents.ts"
export {
  Audit,
  type AuditOutcome,
  type AuditRecord,
  type AuditTarget,
  type CopyRecord,
  type ExecRecord
} from "./audit/Audit.ts"
export type { ExecResult } from "./Collect.ts"
export { type CopiedIn, type CopiedOut, copyFrom, copyTo, extractTo } from "./copy/Copy.ts"
export {
  CannotCopyDirectory,
  CopyFailed,
  CopyLost,
  NoSuchDirectory,
  PathNotFound,
  UnfitDestination
} from "./copy/CopyErrors.ts"
export {
  CopyVia,
  type OpenTaskFilesError,
  openTaskFiles,
  type TaskFiles,
  type TaskFilesError,
  type TaskFilesRequest
} from "./copy/TaskFiles.ts"
export { DockerEngine, type DockerEngineOptions, type DockerEngineShape } from "./engine/DockerEngine.ts"
export { Endpoint } from "./engine/Endpoint.ts"
export {
  EngineError,
  type EngineFailure,
  EngineUnreachable,
  InvalidEndpoint,
  NotSwarmManager,
  type SwarmFailure,
  UnexpectedReply
} from "./engine/EngineErrors.ts"
export type { PullAmount } from "./engine/PullProgress.ts"
export type { ExecEvent } from "./executor/ExecEvent.ts"
export { EndRun, ExecSpec, Signal, TerminalSize } from "./executor/ExecSpec.ts"
export { type ExecInput, Executor } from "./executor/Executor.ts"
export {
  CommandNotFound,
  CommandNotStarted,
  ContainerNotRunning,
  ContainerStopped,
  Ending,
  ExecTimeout,
  ExecutorError,
  OutcomeUnknown
} from "./executor/ExecutorErrors.ts"
export { Guard } from "./executor/Guard.ts"
export { GuardRequest, type Watch } from "./executor/GuardProtocol.ts"
export { type KillerOptions, ProcessKiller } from "./executor/ProcessKiller.ts"
export { type Amount, InvalidAmount, parseAmount } from "./fleet/Amount.ts"
export type { FleetError, FleetPacing, FleetRequest } from "./fleet/Fleet.ts"
export type { FleetEvent, TaskOutcome, TaskResult } from "./fleet/FleetEvent.ts"
export { NothingSelected, type Selection, type SelectionError, selectTasks } from "./fleet/Selection.ts"
export { InvalidFilter, parseFilter, type TaskFilter } from "./fleet/TaskFilter.ts"
export { foldNames } from "./fleet/TaskSet.ts"
export { labelKeys, type Ownership } from "./Labels.ts"
export {
  allowLabel,
  allows,
  denyDefaultLabel,
  type Entry,
  InvalidPolicy,
  type Policy,
  parsePolicy,
  type Wish
} from "./policy/Policy.ts"
export { PolicyDenied } from "./policy/PolicyDenied.ts"
export { ProtectedTarget } from "./policy/ProtectedTarget.ts"
export { TaskPolicy } from "./policy/TaskPolicy.ts"
export { collectLimit, OutputTooLarge, type RunError, type RunEvent } from "./Run.ts"
export { type ExecRequest, InvalidRequest, type TtyRequest } from "./request/ExecRequest.ts"
export { Via } from "./request/Via.ts"
export {
  checkNode,
  type Helper,
  type HelperOptions,
  type HelperPlace,
  type HelperStartError,
  openHelper
} from "./route/Helper.ts"
export {
  ConnectionLost,
  HelperFailed,
  HelperImageUnavailable,
  HelperNotPlaced,
  HelperRefused,
  HelperRejected,
  NodeUnavailable,
  OverlayBlocked,
  RelayFailed,
  RequestTooLarge,
  RouteUnavailable,
  UsernsRemapped
} from "./route/HelperErrors.ts"
export { defaultImage, HelperImage } from "./route/HelperImage.ts"
export { HelperRequest, HelperWork } from "./route/HelperRequest.ts"
export { endByHelper, execByHelper } from "./route/HelperRoute.ts"
export { chooseRoute, localNode, type Route } from "./route/Route.ts"
export { type Session, type SessionRequest, toDuplex } from "./Session.ts"
export { type Stage, StageObserver } from "./Stage.ts"
export { Alive, Findings, Leftover, ObjectKind, Unreadable } from "./sweep/Findings.ts"
export { isClean, type SweepOptions, type SweepReport, sweep, sweepSwarm, type UnsweptNode } from "./sweep/Sweep.ts"
export { TaskExec } from "./TaskExec.ts"
export { lookupTask } from "./target/Lookup.ts"
export { Candidate, type LookupError, TaskAmbiguous, TaskNotFound, TaskNotRunning } from "./target/LookupErrors.ts"
export type { ResolvedTask, TaskNode } from "./target/ResolvedTask.ts"
export { InvalidTarget, parseTarget, type Target } from "./target/Target.ts"
export { awaitTask, WaitTimedOut } from "./target/Wait.ts"
export { version } from "./Version.ts"
