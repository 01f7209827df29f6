/**
 * `docker service exec`: run a command in the container of any Docker Swarm task, on any node, from any manager.
 *
 * Start with {@link TaskExec}.
 */

// Service and layers

export { DockerEngine, type DockerEngineOptions, type DockerEngineShape } from "./engine/DockerEngine.ts"
export { Endpoint, type Endpoints } from "./engine/Endpoint.ts"
export { Swarm, type SwarmOptions, type SwarmShape } from "./engine/Swarm.ts"
export { InvalidConfigFile } from "./helper/ConfigFile.ts"
export { defaultImage } from "./helper/DefaultImage.ts"
export { HelperImage } from "./helper/HelperImage.ts"
export { TaskExec } from "./TaskExec.ts"
export { version } from "./Version.ts"

// Targets

export { type AmountRules, parseAmount } from "./fleet/Amount.ts"
export { selectTasks } from "./fleet/Selection.ts"
export { parseFilter } from "./fleet/TaskFilter.ts"
export { TaskPolicy } from "./policy/TaskPolicy.ts"
export { Amount, Selection, Target, TaskFilter } from "./RequestSchemas.ts"
export { ResolvedTask, TaskNode } from "./ResultSchemas.ts"
export { parseTarget } from "./target/Target.ts"

// Requests

export { Signal, TerminalSize } from "./executor/ExecSpec.ts"
export type { FleetPacing, FleetRequest } from "./fleet/FleetRequest.ts"
export type { FleetLogsRequest, FleetSignalRequest, LogsRequest, SignalRequest } from "./fleet/TaskActions.ts"
export { DurationData, ExecRequestData, FleetRequestData } from "./RequestSchemas.ts"
export { Route } from "./ResultSchemas.ts"
export type { ActionRequest, LogOptions, SignalOptions } from "./request/ActionRequest.ts"
export type { CommandRequest, ExecRequest, ToolboxRequest, TtyRequest } from "./request/ExecRequest.ts"
export type { OneOffRequest, OneOffResources } from "./request/OneOffRequest.ts"
export { Via } from "./request/Via.ts"
export { type Session, type SessionRequest, toDuplex } from "./Session.ts"

// Events and results

export type { PullAmount } from "./engine/PullProgress.ts"
export { KillResult } from "./executor/KillResult.ts"
export { ExecEvent, ExecResult, FleetEvent, RunEvent, TaskOutcome, TaskResult } from "./ResultSchemas.ts"
export { collectLimit } from "./Run.ts"
export { type Stage, StageObserver } from "./Stage.ts"

// Errors

export { type Aftermath, aftermathOf, isNothingRun, isRetryable } from "./Aftermath.ts"
export { AgentUnavailable } from "./agent/Agents.ts"
export {
  EngineError,
  type EngineFailure,
  EngineUnreachable,
  InvalidEndpoint,
  NotSwarmManager,
  type SwarmFailure,
  UnexpectedReply
} from "./engine/EngineErrors.ts"
export {
  CommandNotFound,
  CommandNotStarted,
  ContainerNotRunning,
  ContainerStopped,
  ExecTimeout,
  ExecutorError,
  LogUnreadable,
  OutcomeUnknown,
  SignalNotSent,
  ToolboxNotStarted
} from "./executor/ExecutorErrors.ts"
export { InvalidAmount } from "./fleet/Amount.ts"
export type { FleetError } from "./fleet/Fleet.ts"
export { NothingSelected, type SelectionError } from "./fleet/Selection.ts"
export { InvalidFilter } from "./fleet/TaskFilter.ts"
export {
  ConnectionLost,
  OverlayBlocked,
  RelayFailed,
  RequestTooLarge,
  RouteUnavailable
} from "./helper/ConnectionErrors.ts"
export type { HelperStartError } from "./helper/Helper.ts"
export {
  HelperFailed,
  HelperImageUnavailable,
  HelperNotPlaced,
  HelperRefused,
  HelperRejected,
  NodeUnavailable,
  UsernsRemapped
} from "./helper/HelperErrors.ts"
export { OneOffNotPlaced, OneOffNotStarted } from "./oneoff/OneOffErrors.ts"
export { PolicyDenied, ProtectedTarget } from "./policy/PolicyErrors.ts"
export { RunError } from "./ResultSchemas.ts"
export { OutputTooLarge } from "./Run.ts"
export { InvalidRequest } from "./request/InvalidRequest.ts"
export { isTaskExecError, TaskExecError } from "./TaskExecError.ts"
export { Candidate, type LookupError, TaskAmbiguous, TaskNotFound, TaskNotRunning } from "./target/LookupErrors.ts"
export { InvalidTarget } from "./target/Target.ts"
export { WaitTimedOut } from "./target/Wait.ts"

// Audit

export {
  Audit,
  type AuditOutcome,
  type AuditRecord,
  type AuditTarget,
  type CopyRecord,
  type ExecRecord
} from "./audit/Audit.ts"

export { CopyLost } from "./protocol/ContainerFiles.ts"

// Copies

export { type CopiedIn, type CopiedOut, copyFrom, copyTo, extractTo } from "./copy/Copy.ts"
export {
  CannotCopyDirectory,
  CopyFailed,
  NoSuchDirectory,
  PathNotFound,
  UnfitDestination
} from "./copy/CopyErrors.ts"
export type { CopySource } from "./copy/CopyRules.ts"
export {
  type OpenTaskFilesError,
  openTaskFiles,
  type TaskFiles,
  type TaskFilesError,
  type TaskFilesRequest
} from "./copy/TaskFiles.ts"
export type { PathStat } from "./engine/EngineSchemas.ts"

// Forwarded ports

export { CannotListen, ConnectionReset, ForwardingEnded, PortUnreachable } from "./forward/ForwardErrors.ts"
export type {
  BoundPort,
  ForwardError,
  ForwardEvent,
  Forwarding,
  ForwardPort,
  ForwardRequest,
  TaskConnection
} from "./forward/Forwarding.ts"

// Agents

export { AgentsBusy, AgentsNotRunning, OldKeyInUse } from "./agent/AgentErrors.ts"
export { type AgentsUpOptions, type AgentsUpResult, agentsDown, agentsStatus, agentsUp } from "./agent/AgentService.ts"
export type { AgentState } from "./agent/AgentState.ts"

// Convergence

export { type ConvergeError, type ConvergeRequest, watchConvergence } from "./converge/Converge.ts"
export { ConvergeTimedOut, ServiceNotConverged } from "./converge/ConvergeErrors.ts"
export type { ServiceProgress } from "./converge/ServiceProgress.ts"

// Leftovers

export { Alive, Findings, Leftover, ObjectKind, Unreadable } from "./sweep/Findings.ts"
export { isClean, type SweepOptions, type SweepReport, sweep, sweepSwarm, type UnsweptNode } from "./sweep/Sweep.ts"

// Stages of a run

export { awaitExit, createHelper, exec, type StagedExec, type WaitingHelper } from "./Stages.ts"
export { type LookupOptions, lookupTask, type OnNode } from "./target/Lookup.ts"
export { type AwaitTaskOptions, awaitTask } from "./target/Wait.ts"
