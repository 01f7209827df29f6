/** The point of a run at which each error occurs. */
import type { RunError } from "../Run.ts"

/** `lookup`: before `Resolved`. `start`: after `Resolved`, before `Started`. `running`: after `Started`. */
export type Stage = "lookup" | "start" | "running"

/** Returns the point at which a run fails with this error; the first one if there are several. */
export const stageOf = ({ _tag }: RunError): Stage => stages[_tag]

/** The point of each error of a run. */
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
