/** The request to an executor. It is plain data, so that it can travel in a Swarm secret. */
import * as Schema from "effect/Schema"
import { TaskPolicy } from "../policy/TaskPolicy.ts"
import { Action, wordsOfAction } from "./Action.ts"

/** The environment variable that marks every process of a run. Its value is the run's ID. */
export const runVariable = "TASK_EXEC_RUN"

/**
 * A signal that can be sent to a command.
 *
 * @category requests
 * @since 0.1.0
 */
export const Signal = Schema.Literals(["SIGHUP", "SIGINT", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGTERM", "SIGKILL"])

/**
 * A signal that can be sent to a command.
 *
 * @category requests
 * @since 0.1.0
 */
export type Signal = typeof Signal.Type

/**
 * The size of a terminal, in characters.
 *
 * @category requests
 * @since 0.1.0
 */
export const TerminalSize = Schema.Struct({ rows: Schema.Int, columns: Schema.Int })

/**
 * The size of a terminal, in characters.
 *
 * @category requests
 * @since 0.1.0
 */
export type TerminalSize = typeof TerminalSize.Type

/** The toolbox of a command: a container beside the task's container. */
export const ToolboxSpec = Schema.TaggedUnion({
  /** A container in which the command runs. */
  Debug: {
    /** Image of the toolbox. It needs the program `cat`. */
    image: Schema.NonEmptyString,
    /** The header X-Registry-Auth with which the node pulls the image. */
    auth: Schema.optionalKey(Schema.String)
  },
  /** A container of the task-exec image. The command is `port-forward PORT…`; stdin and stdout carry the connections. */
  Forward: {}
})

/** The toolbox of a command. */
export type ToolboxSpec = typeof ToolboxSpec.Type

/** The command of a one-off task. Absent parts come from the container's image. */
export const OneOffSpec = Schema.Struct({
  /** Reference of the task's image, for the audit record. */
  image: Schema.String,
  /** Replaces the image's entrypoint and arguments. */
  entrypoint: Schema.optionalKey(Schema.Array(Schema.String)),
  /** Replaces the image's arguments (`CMD`). */
  args: Schema.optionalKey(Schema.Array(Schema.String))
})

/** The command of a one-off task. */
export type OneOffSpec = typeof OneOffSpec.Type

/** A command or an action in a container of the executor's engine. Names are those of the engine's exec API. */
export const ExecSpec = Schema.Struct({
  /** Identifies the run: 26 characters of lower-case letters and digits. */
  runId: Schema.NonEmptyString,
  /** Full ID of the container. */
  container: Schema.NonEmptyString,
  /** Program and arguments; no shell is involved. */
  command: Schema.NonEmptyArray(Schema.String),
  /** Perform this action instead of running `command`. */
  action: Schema.optionalKey(Action),
  /** `NAME=value`, added to the container's own environment. */
  env: Schema.Array(Schema.String),
  /** `name|uid[:group|gid]`; default: the container's user. */
  user: Schema.optionalKey(Schema.String),
  /** Working directory in the container; default: the container's. */
  workdir: Schema.optionalKey(Schema.String),
  /** Whether the command gets all capabilities. */
  privileged: Schema.Boolean,
  /** Whether the command has input. The input itself is in `ExecInput`. */
  stdin: Schema.Boolean,
  /** The command's terminal. Its stdout and stderr are then one stream. */
  tty: Schema.optionalKey(
    Schema.Struct({
      size: TerminalSize,
      /** Keys that detach from the command, in docker's syntax: `ctrl-p,ctrl-q`. */
      detachKeys: Schema.String
    })
  ),
  /** Run the command in a toolbox of its own: see `Toolbox.ts`. */
  toolbox: Schema.optionalKey(ToolboxSpec),
  /**
   * Run this command instead of `command`, which then only names it for policies and audit records. Only for containers of one-off tasks.
   */
  oneOff: Schema.optionalKey(OneOffSpec),
  /** Start the command and don't wait for it: no input, no output, no exit code, no timeout. */
  detach: Schema.Boolean,
  /** Timeout in milliseconds; default: none. */
  timeout: Schema.optionalKey(Schema.Finite),
  /** The signal that is sent first when the command is killed. */
  signal: Signal,
  /** The grace period between that signal and KILL, in milliseconds. */
  grace: Schema.Finite,
  /** The policy as the caller knows it. The container's own label counts, too. */
  policy: TaskPolicy
})

/** A command or an action in a container of the executor's engine. */
export type ExecSpec = typeof ExecSpec.Type

/**
 * Returns the command of a spec; for an action, the command line that stands for it. Policies are checked against this command line, so an
 * executor must not trust the `command` of an action.
 */
export const commandOf = ({ action, command }: Pick<ExecSpec, "action" | "command">): ExecSpec["command"] =>
  action === undefined ? command : wordsOfAction(action)

/** The processes to kill. */
export const EndRun = Schema.Struct({
  /** ID of the run. */
  runId: Schema.NonEmptyString,
  /** Full ID of the run's container. */
  container: Schema.NonEmptyString,
  /** The signal that each process receives once, before KILL. */
  signal: Signal,
  /** The grace period until KILL, in milliseconds. */
  grace: Schema.Finite,
  /** Kill only processes in the container itself, not those outside of it or in containers inside it. */
  inContainer: Schema.optionalKey(Schema.Literal(true)),
  /** The engine may be about to start the command. A kill that finds no process waits up to 10 s for the first one. */
  mayStart: Schema.optionalKey(Schema.Literal(true))
})

/** The processes to kill. */
export type EndRun = typeof EndRun.Type

/** Returns the request to kill a command. */
export const endOf = ({ container, grace, runId, signal }: ExecSpec): EndRun => ({ runId, container, signal, grace })
