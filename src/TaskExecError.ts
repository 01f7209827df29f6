/** The union of all errors of the library. */
import * as Schema from "effect/Schema"
import { AgentsBusy, AgentsNotRunning, OldKeyInUse } from "./agent/AgentErrors.ts"
import { AgentUnavailable } from "./agent/Agents.ts"
import { ConvergeTimedOut, ServiceNotConverged } from "./converge/ConvergeErrors.ts"
import { CannotCopyDirectory, CopyFailed, NoSuchDirectory, PathNotFound, UnfitDestination } from "./copy/CopyErrors.ts"
import { InvalidEndpoint, NotSwarmManager } from "./engine/EngineErrors.ts"
import { ExecutorError } from "./executor/ExecutorErrors.ts"
import { InvalidAmount } from "./fleet/Amount.ts"
import { NothingSelected } from "./fleet/Selection.ts"
import { InvalidFilter } from "./fleet/TaskFilter.ts"
import { CannotListen, ConnectionReset, ForwardingEnded, PortUnreachable } from "./forward/ForwardErrors.ts"
import { InvalidConfigFile } from "./helper/ConfigFile.ts"
import {
  ConnectionLost,
  OverlayBlocked,
  RelayFailed,
  RequestTooLarge,
  RouteUnavailable
} from "./helper/ConnectionErrors.ts"
import {
  HelperFailed,
  HelperImageUnavailable,
  HelperNotPlaced,
  HelperRefused,
  HelperRejected,
  NodeUnavailable,
  UsernsRemapped
} from "./helper/HelperErrors.ts"
import { OneOffNotPlaced, OneOffNotStarted } from "./oneoff/OneOffErrors.ts"
import { CopyLost } from "./protocol/ContainerFiles.ts"
import { OutputTooLarge } from "./Run.ts"
import { InvalidRequest } from "./request/InvalidRequest.ts"
import { TaskAmbiguous, TaskNotFound, TaskNotRunning } from "./target/LookupErrors.ts"
import { InvalidTarget } from "./target/Target.ts"
import { WaitTimedOut } from "./target/Wait.ts"

/** Every error with which a run can fail: see `RunError`. */
export const runErrors = Schema.Union([
  InvalidRequest,
  InvalidTarget,
  TaskNotFound,
  TaskAmbiguous,
  TaskNotRunning,
  NotSwarmManager,
  WaitTimedOut,
  RouteUnavailable,
  AgentUnavailable,
  RequestTooLarge,
  NodeUnavailable,
  HelperImageUnavailable,
  HelperRejected,
  HelperNotPlaced,
  HelperFailed,
  HelperRefused,
  OverlayBlocked,
  RelayFailed,
  ConnectionLost,
  UsernsRemapped,
  OneOffNotStarted,
  OneOffNotPlaced,
  OutputTooLarge,
  ...ExecutorError.members
])

/**
 * Every error of the library, as a union of its schemas.
 *
 * **When to use**: to encode errors as JSON for logs, queues and `Rpc`, and to decode them.
 *
 * @category errors
 * @since 0.2.0
 */
export const TaskExecError = Schema.Union([
  ...runErrors.members,
  InvalidEndpoint,
  InvalidConfigFile,
  InvalidAmount,
  InvalidFilter,
  NothingSelected,
  PathNotFound,
  NoSuchDirectory,
  CannotCopyDirectory,
  UnfitDestination,
  CopyFailed,
  CopyLost,
  ServiceNotConverged,
  ConvergeTimedOut,
  CannotListen,
  ForwardingEnded,
  PortUnreachable,
  ConnectionReset,
  AgentsNotRunning,
  OldKeyInUse,
  AgentsBusy
])

/**
 * Any error of the library.
 *
 * @category errors
 * @since 0.2.0
 */
export type TaskExecError = typeof TaskExecError.Type

/**
 * Whether a value is an error of the library.
 *
 * @category errors
 * @since 0.2.0
 */
export const isTaskExecError: (error: unknown) => error is TaskExecError = Schema.is(TaskExecError)
