/** Where in a run its errors come. */
import type { RunError } from "../Run.ts"

/** `lookup`: before `Resolved`; `start`: before `Started`; `running`: after it. */
export type Stage = "lookup" | "start" | "running"

/** Where a run fails with this error. An error that can come in several places: at the first of them. */
export const stageOf = ({ _tag }: RunError): Stage => stages[_tag]

/** Every error of a run. */
export const stages: Readonly<Record<RunError["_tag"], Stage>> = {
  InvalidRequest: "lookup",
  InvalidTarget: "lookup",
  TaskNotFound: "lookup",
  TaskAmbiguous: "lookup",
  TaskNotRunning: "lookup",
  ProtectedTarget: "lookup",
  WaitTimedOut: "lookup",
  RouteUnavailable: "lookup",
  NotSwarmManager: "lookup",
  EngineUnreachable: "lookup",
  EngineError: "lookup",
  UnexpectedReply: "lookup",
  OneOffNotStarted: "lookup",
  OneOffNotPlaced: "lookup",
  AgentUnavailable: "start",
  RequestTooLarge: "start",
  NodeUnavailable: "start",
  HelperImageUnavailable: "start",
  HelperRejected: "start",
  HelperNotPlaced: "start",
  HelperFailed: "start",
  HelperRefused: "start",
  OverlayBlocked: "start",
  RelayFailed: "start",
  UsernsRemapped: "start",
  ContainerNotRunning: "start",
  PolicyDenied: "start",
  ToolboxNotStarted: "start",
  LogUnreadable: "start",
  SignalNotSent: "start",
  CommandNotFound: "start",
  CommandNotStarted: "start",
  ContainerStopped: "running",
  ConnectionLost: "running",
  ExecTimeout: "running",
  OutcomeUnknown: "running",
  OutputTooLarge: "running"
}
