/** Effect's `ChildProcessSpawner` over a task: commands of `ChildProcess` run in the task's container, on any node. */
import { constants } from "node:os"
import type * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import type * as PlatformError from "effect/PlatformError"
import type { Command, KillOptions, StandardCommand } from "effect/process/ChildProcess"
import * as ChildProcess from "effect/process/ChildProcess"
import {
  type ChildProcessHandle,
  ChildProcessSpawner,
  ExitCode,
  makeHandle,
  make as makeSpawner,
  ProcessId
} from "effect/process/ChildProcessSpawner"
import * as Queue from "effect/Queue"
import * as Scope from "effect/Scope"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import type { Signal } from "../executor/ExecSpec.ts"
import type { Session } from "../Session.ts"
import { TaskExec } from "../TaskExec.ts"
import { type CommandParts, type OutputPart, partsOf, signalOf, type TaskProcessOptions } from "./CommandParts.ts"
import { type Spawned, spawnPipeline } from "./Pipeline.ts"
import { failure, fromRun, type Method, unusable } from "./ProcessErrors.ts"
import { type Channel, ProcessOutput } from "./ProcessOutput.ts"

/**
 * Provides a `ChildProcessSpawner` whose commands run in the container of a task.
 *
 * **When to use**: to run the commands of a program that uses `ChildProcess` in a container of the swarm, without changes to the program.
 *
 * **Details**: a command starts with `TaskExec.open`, and ends with its scope as a session does: task-exec kills the command and all its
 * child processes, and removes everything that it created. Bytes between piped commands go through the caller. Every command looks up its
 * task anew.
 *
 * **Gotchas**: the environment is that of the container, with `env` added. `pid` is `NaN`. Additional file descriptors, `stdin: "inherit"`,
 * `unref` and signals that task-exec cannot send fail with a `PlatformError`. See `docs/effect.md`.
 *
 * @example
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as Layer from "effect/Layer"
 * import * as ChildProcess from "effect/process/ChildProcess"
 * import { ChildProcessSpawner } from "effect/process/ChildProcessSpawner"
 * import { TaskExec } from "task-exec"
 * import * as TaskProcess from "task-exec/process"
 *
 * const errors = ChildProcess.make`cat /var/log/app`.pipe(ChildProcess.pipeTo(ChildProcess.make`grep -c ERROR`))
 * const program = ChildProcessSpawner.use((spawner) => spawner.string(errors))
 *
 * const Web = TaskProcess.layer({ target: "web.2" }).pipe(Layer.provide(TaskExec.layer))
 * Effect.runPromise(program.pipe(Effect.provide(Web)))
 * ```
 *
 * @category layers
 * @since 0.2.0
 */
export const layer = (options: TaskProcessOptions): Layer.Layer<ChildProcessSpawner, never, TaskExec> =>
  Layer.effect(ChildProcessSpawner, make(options))

/**
 * Returns the spawner of {@link layer}.
 *
 * **When to use**: to run commands in several tasks in one program.
 *
 * @category constructors
 * @since 0.2.0
 */
export const make = (options: TaskProcessOptions): Effect.Effect<ChildProcessSpawner["Service"], never, TaskExec> =>
  TaskExec.useSync((taskExec) => {
    const spawnStandard = (command: StandardCommand) => spawnCommand(taskExec, options, command)
    const spawn = (command: Command) =>
      inOwnScope(command._tag === "PipedCommand" ? spawnPipeline(command, spawnStandard) : spawnStandard(command))
    // `string`, `lines` and `exitCode` return no handle, so nothing can write to stdin. An open stdin would make a helper add a tunnel.
    return { ...makeSpawner((command) => spawn(withoutInput(command))), spawn }
  })

/** Gives the first command an empty stdin, unless the command has a stdin of its own. */
const withoutInput = (command: Command): Command => {
  if (command._tag === "PipedCommand") {
    return ChildProcess.pipeTo(withoutInput(command.left), command.right, command.options)
  }
  const { args, options } = command
  return options.stdin === undefined
    ? ChildProcess.make(command.command, args, { ...options, stdin: "ignore" })
    : command
}

/** Runs in a scope of its own, which closes at once if the command does not start. */
const inOwnScope = (spawn: Spawned): Spawned =>
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function* () {
      const scope = yield* Scope.fork(yield* Effect.scope)
      return yield* restore(Scope.provide(spawn, scope)).pipe(
        Effect.onExit((exit) => (exit._tag === "Success" ? Effect.void : Scope.close(scope, exit)))
      )
    })
  )

const spawnCommand = Effect.fnUntraced(function* (
  taskExec: TaskExec["Service"],
  options: TaskProcessOptions,
  command: StandardCommand
): Effect.fn.Return<ChildProcessHandle, PlatformError.PlatformError, Scope.Scope> {
  const parts = yield* partsOf(command, options)
  const exit = yield* Deferred.make<number, PlatformError.PlatformError>()
  const output = new ProcessOutput<PlatformError.PlatformError>()
  // Runs after the session has closed, so that `isRunning` is true until the command is killed.
  yield* Effect.addFinalizer(() => {
    const error = failure("exitCode", command, "the command was killed because its scope closed")
    output.close(Exit.fail(error))
    return Deferred.fail(exit, error)
  })
  const session = yield* taskExec.open(parts.request)
  // Opened first, because input that ends at once travels with the request.
  const stdin = yield* openInput(session, parts, command, exit)
  yield* follow(session, parts, output, command, exit)
  const sent: Array<Signal> = []

  const awaitEnd = Effect.exit(Deferred.await(exit))
  const send = (signal: Signal) =>
    Effect.suspend(() => {
      sent.push(signal)
      output.killed()
      return session.signal(signal)
    })
  const kill = Effect.fnUntraced(function* ({ forceKillAfter, killSignal = "SIGTERM" }: KillOptions = {}) {
    const signal = yield* signalOf("kill", killSignal)
    if (yield* Deferred.isDone(exit)) return yield* failure("kill", command, "the command has ended")
    yield* send(signal)
    const force = forceKillAfter === undefined ? Effect.never : Effect.delay(send("SIGKILL"), forceKillAfter)
    yield* Effect.raceFirst(awaitEnd, Effect.andThen(force, Effect.never))
  })
  const exitCode = Effect.flatMap(Effect.raceFirst(Deferred.await(exit), stdin.failed), (code) => {
    const signal = fatalSignal(code, sent)
    return signal === undefined
      ? Effect.succeed(ExitCode(code))
      : Effect.fail(failure("exitCode", command, `the command was ended by ${signal}`))
  })
  const read = (part: OutputPart, ...channels: ReadonlyArray<Channel>) => {
    const raw = output.read(...channels)
    return Sink.isSink(part) ? Stream.transduce(raw, part) : raw
  }
  const stdout = read(parts.stdout, "stdout")
  const stderr = read(parts.stderr, "stderr")
  const all =
    Sink.isSink(parts.stdout) || Sink.isSink(parts.stderr)
      ? Stream.merge(stdout, stderr)
      : read("pipe", "stdout", "stderr")
  return makeHandle({
    // A process on another node has no ID on this machine. `process.kill` refuses NaN, but with a number it could hit a local process.
    pid: ProcessId(Number.NaN),
    exitCode,
    isRunning: Effect.map(Deferred.isDone(exit), (isDone) => !isDone),
    kill,
    stdin: stdin.sink,
    stdout,
    stderr,
    all,
    getInputFd: () => Sink.drain,
    getOutputFd: () => Stream.empty,
    unref: Effect.fail(
      unusable("spawn", "a command in a task ends with its caller: use TaskExec.run with detach for one that does not")
    )
  })
})

/** Reads the session's events in the background. Completes when the command has started. */
const follow = Effect.fnUntraced(function* (
  session: Session,
  parts: CommandParts,
  output: ProcessOutput<PlatformError.PlatformError>,
  command: StandardCommand,
  exit: Deferred.Deferred<number, PlatformError.PlatformError>
) {
  const started = yield* Deferred.make<void, PlatformError.PlatformError>()
  const take = (channel: Channel, data: Uint8Array) => {
    const part = parts[channel]
    if (part === "ignore") return Effect.void
    return part === "inherit" ? writeTo(process[channel], data) : output.add(channel, data)
  }
  yield* Stream.runForEach(session.events, (event) => {
    if (event._tag === "Stdout") return take("stdout", event.data)
    if (event._tag === "Stderr") return take("stderr", event.data)
    return event._tag === "Started" ? Deferred.succeed(started, undefined) : Effect.void
  }).pipe(
    Effect.andThen(session.outcome),
    Effect.onExit((ended) => {
      // The command's finalizer reports the interruption.
      if (Exit.hasInterrupts(ended)) return Effect.void
      const as = (method: Method) => Exit.mapError(ended, (error) => fromRun(method, command, error))
      output.close(as("fromReadable"))
      return Effect.all([
        // A session is never detached, so its end has a code.
        Deferred.done(
          exit,
          Exit.map(as("exitCode"), (code) => code ?? 0)
        ),
        Deferred.done(started, Exit.asVoid(as("spawn")))
      ])
    }),
    Effect.ignoreCause,
    Effect.forkScoped
  )
  yield* Deferred.await(started)
})

/** Connects the command's stdin to its source. */
const openInput = Effect.fnUntraced(function* (
  session: Session,
  { stdin: { endOnDone, from } }: CommandParts,
  command: StandardCommand,
  exit: Deferred.Deferred<number, PlatformError.PlatformError>
) {
  const input = yield* Queue.bounded<Uint8Array, Cause.Done>(1)
  const failed = yield* Deferred.make<never, PlatformError.PlatformError>()
  yield* Effect.forkScoped(Stream.run(Stream.fromQueue(input), session.stdin))
  const ended = Effect.andThen(
    Effect.exit(Deferred.await(exit)),
    Effect.fail(failure("fromWritable(stdin)", command, "the command has ended"))
  )
  const sink = Sink.forEachArray((chunks: ReadonlyArray<Uint8Array>) =>
    Effect.raceFirst(Queue.offerAll(input, chunks), ended)
  ).pipe(Sink.mapEffect(() => (endOnDone ? Effect.asVoid(Queue.end(input)) : Effect.void)))
  if (from === "ignore") yield* Queue.end(input)
  else if (from !== "pipe") {
    // Input that failed must not look complete: the command's stdin stays open, and `exitCode` fails with the error.
    const source = Stream.tapError(from, (error) => Deferred.fail(failed, error))
    yield* Effect.forkScoped(Effect.ignore(Stream.run(source, sink)))
  }
  return { sink, failed: Deferred.await(failed) }
})

const writeTo = (stream: NodeJS.WriteStream, data: Uint8Array): Effect.Effect<void> =>
  Effect.callback((resume) => {
    stream.write(data, () => resume(Effect.void))
  })

/** Returns the signal that ended a command, which engines report as the exit code 128 + signal. Only signals that were sent count. */
const fatalSignal = (code: number, sent: ReadonlyArray<Signal>): Signal | undefined =>
  sent.length === 0
    ? undefined
    : [...sent, "SIGKILL" as const].find((signal) => code === 128 + constants.signals[signal])
