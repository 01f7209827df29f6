/** What an error means for the command: whether it can have run when the error occurred, and whether to try again. */
import { isTaskExecError, type TaskExecError } from "./TaskExecError.ts"

/**
 * What an error means for the request that failed.
 *
 * @category errors
 * @since 0.2.0
 */
export interface Aftermath {
  /** Whether the command can have run, or files or agents can have changed. `no` is certain. */
  readonly ran: "no" | "perhaps" | "yes"
  /**
   * Whether to try again. `safe`: trying again does no harm and may succeed. `unchanged`: trying again does no harm, but fails until the
   * cause is removed. `check`: check first what the command has done.
   */
  readonly retry: "safe" | "unchanged" | "check"
}

const safe: Aftermath = { ran: "no", retry: "safe" }
const unchanged: Aftermath = { ran: "no", retry: "unchanged" }
const perhaps: Aftermath = { ran: "perhaps", retry: "check" }
const ran: Aftermath = { ran: "yes", retry: "check" }
/** The work that was done stays, and trying again completes it. */
const again: Aftermath = { ran: "perhaps", retry: "safe" }

type ErrorOf<Tag> = Extract<TaskExecError, { readonly _tag: Tag }>

/** An entry for every error of the library. Some entries depend on the data of the error. */
const aftermaths: {
  readonly [Tag in TaskExecError["_tag"]]: Aftermath | ((error: ErrorOf<Tag>) => Aftermath)
} = {
  InvalidEndpoint: unchanged,
  // Once a command may have begun, a run fails with OutcomeUnknown instead of the engine's errors.
  EngineUnreachable: ({ reason }) => (reason === "Permission" || reason === "Tls" ? unchanged : safe),
  EngineError: ({ status }) => (status >= 500 ? safe : unchanged),
  UnexpectedReply: unchanged,
  NotSwarmManager: unchanged,
  InvalidConfigFile: unchanged,
  InvalidRequest: unchanged,
  InvalidTarget: unchanged,
  InvalidAmount: unchanged,
  InvalidFilter: unchanged,
  TaskNotFound: unchanged,
  TaskAmbiguous: unchanged,
  TaskNotRunning: safe,
  NothingSelected: safe,
  ProtectedTarget: unchanged,
  WaitTimedOut: safe,
  PolicyDenied: unchanged,
  RouteUnavailable: unchanged,
  AgentUnavailable: safe,
  RequestTooLarge: unchanged,
  NodeUnavailable: unchanged,
  HelperImageUnavailable: unchanged,
  HelperRejected: ({ mayRun }) => (mayRun === true ? perhaps : unchanged),
  HelperNotPlaced: ({ mayRun }) => (mayRun === true ? perhaps : safe),
  HelperFailed: unchanged,
  HelperRefused: perhaps,
  UsernsRemapped: unchanged,
  OverlayBlocked: perhaps,
  RelayFailed: perhaps,
  ConnectionLost: perhaps,
  // Only the owner of a paused container can resume it.
  ContainerNotRunning: ({ detail }) => (/paused/i.test(detail) ? unchanged : safe),
  OneOffNotStarted: unchanged,
  OneOffNotPlaced: safe,
  ToolboxNotStarted: unchanged,
  CommandNotFound: unchanged,
  CommandNotStarted: unchanged,
  // Reading a log changes nothing.
  LogUnreadable: ({ reason }) => (reason === "Incomplete" ? safe : unchanged),
  SignalNotSent: safe,
  ContainerStopped: ran,
  // The deadline of a fan-out can pass while a command is about to start.
  ExecTimeout: perhaps,
  OutcomeUnknown: perhaps,
  OutputTooLarge: ran,
  PathNotFound: unchanged,
  NoSuchDirectory: unchanged,
  CannotCopyDirectory: unchanged,
  UnfitDestination: unchanged,
  CopyFailed: again,
  CopyLost: again,
  ServiceNotConverged: unchanged,
  ConvergeTimedOut: safe,
  CannotListen: unchanged,
  // Forwarding runs nothing. Each open connection has an error of its own.
  ForwardingEnded: safe,
  PortUnreachable: safe,
  ConnectionReset: perhaps,
  AgentsNotRunning: again,
  OldKeyInUse: again,
  AgentsBusy: again
}

/**
 * Returns whether the command can have run when an error occurred, and whether to try again.
 *
 * **When to use**: to decide by data, such as in a queue. For `Effect.retry`, use {@link isRetryable}. `docs/errors.md` lists all results.
 *
 * @category errors
 * @since 0.2.0
 */
export const aftermathOf = <Tag extends TaskExecError["_tag"]>(
  error: ErrorOf<Tag> & { readonly _tag: Tag }
): Aftermath => {
  const aftermath: Aftermath | ((error: ErrorOf<Tag>) => Aftermath) = aftermaths[error._tag]
  return typeof aftermath === "function" ? aftermath(error) : aftermath
}

const hasAftermath = (error: unknown, matches: (aftermath: Aftermath) => boolean): boolean =>
  isTaskExecError(error) && matches(aftermathOf(error))

/**
 * Whether an error proves that the command has not run.
 *
 * **Details**: `false` for values that are not errors of the library, because nothing is known about them. {@link aftermathOf} returns the
 * result as data.
 *
 * @category errors
 * @since 0.2.0
 */
export const isNothingRun = (error: unknown): boolean => hasAftermath(error, ({ ran }) => ran === "no")

/**
 * Whether trying again after this error does no harm and may succeed. `false` for values that are not errors of the library.
 *
 * **When to use**: as the condition of `Effect.retry`, or in `Schedule.while`.
 *
 * **Gotchas**: input that an attempt has read from `stdin` is missing in the next one.
 *
 * @category errors
 * @since 0.2.0
 */
export const isRetryable = (error: unknown): boolean => hasAftermath(error, ({ retry }) => retry === "safe")
