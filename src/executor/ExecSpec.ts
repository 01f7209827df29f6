/**
 * What an Executor is asked to do on its own node: plain data, so that it can travel in a Swarm secret.
 */
import * as Schema from "effect/Schema"
import { TaskPolicy } from "../policy/TaskPolicy.ts"

/** Name of the environment variable that marks every process of one run; its value is the run's ID. */
export const runVariable = "TASK_EXEC_RUN"

/** The signals that a command can be sent. */
export const Signal = Schema.Literals(["SIGHUP", "SIGINT", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGTERM", "SIGKILL"])

/** A signal that a command can be sent. */
export type Signal = typeof Signal.Type

/** The size of a terminal, in characters. */
export const TerminalSize = Schema.Struct({ rows: Schema.Int, columns: Schema.Int })

/** The size of a terminal, in characters. */
export type TerminalSize = typeof TerminalSize.Type

/** One command in one container of the connected engine. Names are those of the engine's exec API. */
export const ExecSpec = Schema.Struct({
  /** Identifies the run: 26 characters of lower-case letters and digits. */
  runId: Schema.NonEmptyString,
  /** Full ID of the container. */
  container: Schema.NonEmptyString,
  /** Program and arguments; no shell is involved. */
  command: Schema.NonEmptyArray(Schema.String),
  /** `NAME=value`, added to the container's own environment. */
  env: Schema.Array(Schema.String),
  /** `name|uid[:group|gid]`; the container's own user when absent. */
  user: Schema.optionalKey(Schema.String),
  /** Working directory inside the container; the container's own when absent. */
  workdir: Schema.optionalKey(Schema.String),
  /** All capabilities for the command. */
  privileged: Schema.Boolean,
  /** The command has an input, that of `ExecInput`; otherwise it reads nothing. */
  stdin: Schema.Boolean,
  /** The command has a terminal: its stdout and stderr are one then. */
  tty: Schema.optionalKey(
    Schema.Struct({
      size: TerminalSize,
      /** As docker writes them, `ctrl-p,ctrl-q`; pressed, they let go of the command and leave it running. */
      detachKeys: Schema.String
    })
  ),
  /** Start it and don't wait: no input, no output, no exit code, no timeout. */
  detach: Schema.Boolean,
  /** Milliseconds until the command is ended; no limit when absent. */
  timeout: Schema.optionalKey(Schema.Finite),
  /** What is sent first when the command is to be ended. */
  signal: Signal,
  /** Milliseconds between that signal and KILL. */
  grace: Schema.Finite,
  /** What the caller knows of what may be run there; the container's own label counts too. */
  policy: TaskPolicy
})

/** One command in one container of the connected engine. */
export type ExecSpec = typeof ExecSpec.Type

/** What is to be ended, and how. */
export const EndRun = Schema.Struct({
  /** The run whose processes are meant. */
  runId: Schema.NonEmptyString,
  /** Full ID of the container that the run is in. */
  container: Schema.NonEmptyString,
  /** Sent first, once to each process. */
  signal: Signal,
  /** Milliseconds until KILL. */
  grace: Schema.Finite,
  /** Spare processes with the run's mark that are not in the container itself: in another one inside it, or outside. */
  inContainer: Schema.optionalKey(Schema.Literal(true))
})

/** What is to be ended, and how. */
export type EndRun = typeof EndRun.Type

/** How the run of a command is ended. */
export const endOf = ({ container, grace, runId, signal }: ExecSpec): EndRun => ({ runId, container, signal, grace })
