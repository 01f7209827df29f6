/** Translates a `ChildProcess` command to a request, and to the handling of its input and output. */
import * as Posix from "node:path/posix"
import * as Effect from "effect/Effect"
import type * as PlatformError from "effect/PlatformError"
import type { CommandInput, CommandOptions, KillOptions, StandardCommand } from "effect/process/ChildProcess"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import { Signal } from "../executor/ExecSpec.ts"
import type { SessionRequest } from "../Session.ts"
import { type Method, unusable } from "./ProcessErrors.ts"

/**
 * The task in which commands run, and their defaults. `command` comes from the `ChildProcess`, which has no terminal.
 *
 * **Details**: `env` and `workdir` are the defaults of all commands. `grace` is the time between a command's `killSignal` and KILL for
 * commands without `forceKillAfter`; default 10 seconds.
 *
 * @category requests
 * @since 0.2.0
 */
export type TaskProcessOptions = Omit<SessionRequest, "command" | "signal" | "tty">

/** The handling of one output stream of a command. */
export type OutputPart =
  | "pipe"
  | "inherit"
  | "ignore"
  | Sink.Sink<Uint8Array, Uint8Array, never, PlatformError.PlatformError>

/** A `ChildProcess` command in the terms of a run. */
export interface CommandParts {
  readonly request: SessionRequest
  readonly stdin: {
    /** `pipe`: input comes from `handle.stdin`. */
    readonly from: "pipe" | "ignore" | Stream.Stream<Uint8Array, PlatformError.PlatformError>
    /** Whether the end of the stream is the end of the command's stdin. */
    readonly endOnDone: boolean
  }
  readonly stdout: OutputPart
  readonly stderr: OutputPart
}

/** Translates a command. Fails with `BadArgument` if it has an option that a command in a task cannot have. */
export const partsOf = Effect.fnUntraced(function* (
  command: StandardCommand,
  options: TaskProcessOptions
): Effect.fn.Return<CommandParts, PlatformError.PlatformError> {
  const words = yield* wordsOf(command)
  const env = yield* envOf(command.options)
  const { cwd, forceKillAfter, killSignal = "SIGTERM" } = command.options
  const signal = yield* signalOf("spawn", killSignal)
  const workdir = yield* workdirOf(cwd, options.workdir)
  if (Object.keys(command.options.additionalFds ?? {}).length > 0) {
    return yield* unusable("spawn", "a command in a task has no file descriptors beyond stdin, stdout and stderr")
  }
  const { endOnDone, stream } = inputOf(command.options)
  if (stream === "inherit") {
    return yield* unusable(
      "spawn",
      "a command in a task cannot inherit stdin: use a Stream, or TaskExec.open for a terminal"
    )
  }
  return {
    request: {
      ...options,
      command: words,
      env: { ...options.env, ...env },
      signal,
      ...(workdir === undefined ? {} : { workdir }),
      ...(forceKillAfter === undefined ? {} : { grace: forceKillAfter })
    },
    stdin: { from: stream === "overlapped" ? "pipe" : stream, endOnDone },
    stdout: outputOf(command.options.stdout),
    stderr: outputOf(command.options.stderr)
  }
})

const wordsOf = ({ args, command, options: { shell = false } }: StandardCommand) => {
  if (shell !== false && args.length > 0) {
    return Effect.fail(
      unusable("spawn", "the shell option cannot be combined with arguments: pass the whole script as the command")
    )
  }
  const program = shell === false ? [command] : [shell === true ? "/bin/sh" : shell, "-c", command]
  return Effect.succeed([...program, ...args.map(valueOf)])
}

const valueOf = (value: string | Redacted.Redacted<string>): string =>
  Redacted.isRedacted(value) ? Redacted.value(value) : value

/** Returns the variables to set. An engine can't remove variables of the container's environment. */
const envOf = ({ env = {} }: CommandOptions) => {
  const values: Record<string, string> = {}
  for (const [name, value] of Object.entries(env)) {
    if (value === undefined) {
      return Effect.fail(unusable("spawn", `cannot remove the variable ${name} from the container's environment`))
    }
    values[name] = valueOf(value)
  }
  return Effect.succeed(values)
}

const isSignal = Schema.is(Signal)

/** Returns the signal, or fails if task-exec can't send it. */
export const signalOf = (method: Method, signal: NonNullable<KillOptions["killSignal"]>) =>
  isSignal(signal)
    ? Effect.succeed(signal)
    : Effect.fail(
        unusable(method, `cannot send ${signal} to a command in a task: use one of ${Signal.literals.join(", ")}`)
      )

const workdirOf = (cwd: string | undefined, base: string | undefined) => {
  if (cwd === undefined || Posix.isAbsolute(cwd)) return Effect.succeed(cwd ?? base)
  return base === undefined
    ? Effect.fail(
        unusable("spawn", `cwd must be absolute in a task's container, or relative to the layer's workdir, not ${cwd}`)
      )
    : Effect.succeed(Posix.join(base, cwd))
}

const inputOf = ({ stdin = "pipe" }: CommandOptions): { readonly stream: CommandInput; readonly endOnDone: boolean } =>
  typeof stdin === "string" || Stream.isStream(stdin)
    ? { stream: stdin, endOnDone: true }
    : { stream: stdin.stream, endOnDone: stdin.endOnDone ?? true }

const outputOf = (option: CommandOptions["stdout"] = "pipe"): OutputPart => {
  const output = typeof option === "string" || Sink.isSink(option) ? option : (option.stream ?? "pipe")
  return output === "overlapped" ? "pipe" : output
}
