/**
 * Runs a command in a container of the connected engine: starts it, streams its output, proves its end, and kills it with all its child
 * processes on a timeout or an interruption.
 *
 * The same code runs in a helper on the task's node and, on the `local` route, in the caller. It does not know Swarm.
 */
import type * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import { DockerEngine } from "../engine/DockerEngine.ts"
import type { ExecConnection } from "../engine/ExecRequests.ts"
import { BackpressureGate } from "../internal/BackpressureGate.ts"
import { DetachFilter, neverPressed, parseDetachKeys } from "./DetachKeys.ts"
import type { ExecEvent } from "./ExecEvent.ts"
import { type EndRun, type ExecSpec, runVariable, type TerminalSize, type ToolboxSpec } from "./ExecSpec.ts"
import {
  CommandNotFound,
  CommandNotStarted,
  ContainerNotRunning,
  ContainerStopped,
  describeEnding,
  type Ending,
  ExecTimeout,
  type ExecutorError,
  OutcomeUnknown,
  outcomeUnknown
} from "./ExecutorErrors.ts"
import { Guard } from "./Guard.ts"
import { awaitExit } from "./internal/Ending.ts"
import { followMain } from "./internal/MainProcess.ts"
import { drain, pump } from "./internal/Output.ts"
import { awaitSettled, awaitStart, complaint, hasStarted } from "./internal/Starting.ts"
import { withCommandOf } from "./OneOff.ts"
import { performAction } from "./PerformAction.ts"
import { checkPermitted, createPermitted } from "./Permitted.ts"
import { type KillerOptions, ProcessKiller } from "./ProcessKiller.ts"
import { refused, refusedStart } from "./Refusal.ts"
import { openToolbox } from "./Toolbox.ts"

/** The time in which the rest of the output must arrive after the command was killed. */
const lastOutput = 3000
/** Milliseconds after a command's timeout and grace period at which its guard kills it. */
const guardSlack = 5000

/** The input of a running command. Unused for a command without stdin or a terminal. */
export interface ExecInput {
  /** The command's stdin, with backpressure. Its end is the end of stdin, except at a terminal. */
  readonly stdin: Stream.Stream<Uint8Array>
  /** New sizes of the terminal. */
  readonly sizes: Stream.Stream<TerminalSize>
}

const noInput: ExecInput = { stdin: Stream.empty, sizes: Stream.empty }

/** Runs commands in the containers of one engine. */
export class Executor extends Context.Service<
  Executor,
  {
    /**
     * Runs the command when the stream is pulled. Fails with `PolicyDenied` if a policy forbids it. The last event is `Exited`, which is
     * emitted after the engine has reported the exit code and all output has arrived.
     *
     * While the command runs, a slow consumer slows it down after 1 MiB. At the end of the command, the engine is read at full speed: it
     * drops output that is not read within 2 seconds (`daemon/monitor.go`).
     *
     * An interruption, or the end of the stream's scope, before `Exited` kills the command and all its child processes. If this process is
     * killed, the {@link Guard} does that.
     *
     * An action has no process. Its events are those of a command that succeeds, and its output has no other limit than its consumer.
     */
    readonly exec: (spec: ExecSpec, input?: ExecInput) => Stream.Stream<ExecEvent, ExecutorError>
  }
>()("task-exec/Executor") {
  /** On the engine in the context. `image`: the task-exec image. */
  static readonly layer = ({
    image
  }: Pick<KillerOptions, "image">): Layer.Layer<Executor, never, DockerEngine | Guard | ProcessKiller> =>
    Layer.effect(
      Executor,
      Effect.gen(function* () {
        const engine = yield* DockerEngine
        const tools: Tools = { engine, guard: yield* Guard, killer: yield* ProcessKiller, image }
        return Executor.of({
          exec: (spec, input = noInput) => {
            if (spec.action !== undefined) return performAction(engine, spec, spec.action)
            return spec.toolbox === undefined
              ? execInContainer(tools, spec, input)
              : execInToolbox(tools, spec, spec.toolbox, input)
          }
        })
      })
    )
}

type Engine = DockerEngine["Service"]

interface Tools {
  readonly engine: Engine
  readonly guard: Guard["Service"]
  readonly killer: ProcessKiller["Service"]
  readonly image: Effect.Effect<string>
}

/** Runs the command in the spec's container. */
const execInContainer = (tools: Tools, spec: ExecSpec, input: ExecInput): Stream.Stream<ExecEvent, ExecutorError> =>
  Stream.unwrap(
    Effect.gen(function* () {
      const { engine } = tools
      const { command } = spec.oneOff === undefined ? spec : yield* withCommandOf(engine, spec, spec.oneOff)
      return yield* start(tools, { ...spec, command }, input, (create) => createPermitted(engine, spec, create))
    })
  )

/** Runs the command in a new container beside the spec's container, or as its main process. */
const execInToolbox = (
  tools: Tools,
  spec: ExecSpec,
  toolbox: ToolboxSpec,
  input: ExecInput
): Stream.Stream<ExecEvent, ExecutorError> =>
  Stream.unwrap(
    Effect.gen(function* () {
      yield* checkPermitted(tools.engine, spec)
      const opened = yield* openToolbox(tools.engine, toolbox, spec, tools.image)
      return toolbox._tag === "Debug"
        ? yield* start(tools, { ...spec, container: opened.id }, input, (create) => create)
        : yield* followMain(tools.engine, opened, spec, input.stdin)
    })
  ).pipe(Stream.mapError((error) => ofToolbox(error, spec.container, toolbox)))

/** Returns the error of a command in a toolbox. The toolbox ends with the task's processes, and users do not know its container. */
const ofToolbox = (error: ExecutorError, container: string, toolbox: ToolboxSpec): ExecutorError => {
  switch (error._tag) {
    case "ContainerStopped":
      return new ContainerStopped({ container })
    case "ContainerNotRunning":
      return error.container === container
        ? error
        : new ContainerNotRunning({ container, detail: "its toolbox has ended" })
    case "CommandNotFound":
      return toolbox._tag === "Debug" ? new CommandNotFound({ ...error, toolbox: toolbox.image }) : error
    default:
      return error
  }
}

const start = Effect.fnUntraced(function* (
  { engine, guard, killer }: Tools,
  spec: ExecSpec,
  input: ExecInput,
  permitted: (create: Effect.Effect<string, ExecutorError>) => Effect.Effect<string, ExecutorError>
) {
  const keys = yield* detachKeysOf(spec)
  const tty = spec.tty !== undefined
  const create = engine
    .createExec(spec.container, {
      Cmd: spec.command,
      Env: [...spec.env, `${runVariable}=${spec.runId}`],
      AttachStdin: spec.stdin && !spec.detach,
      AttachStdout: !spec.detach,
      AttachStderr: !spec.detach,
      Tty: tty,
      Privileged: spec.privileged,
      ...(spec.user === undefined ? {} : { User: spec.user }),
      ...(spec.workdir === undefined ? {} : { WorkingDir: spec.workdir }),
      // The engine looks for the keys, too. It never sees the last one.
      ...(spec.tty === undefined ? {} : { DetachKeys: keys.length === 0 ? neverPressed : spec.tty.detachKeys }),
      ...(spec.tty === undefined ? {} : { ConsoleSize: [spec.tty.size.rows, spec.tty.size.columns] as const })
    })
    .pipe(Effect.catch(refused(engine, spec)))
  const creation = permitted(create)
  if (spec.detach) {
    const execId = yield* creation
    yield* engine.startExecDetached(execId, { tty }).pipe(Effect.catch(refusedStart(engine, spec)))
    return Stream.make<[ExecEvent]>({ _tag: "Detached", execId })
  }

  const { container, grace, runId, signal, timeout } = spec
  const ending: EndRun = { runId, container, signal, grace }
  const [execId, watch] = yield* Effect.all(
    [
      creation,
      guard.watch({ runs: [ending], ...(timeout === undefined ? {} : { after: timeout + grace + guardSlack }) })
    ],
    { concurrency: 2 }
  )

  // A process may exist from this line on. A caller that stops early must end it.
  let over = false
  let tooLate = false
  // Whether the engine may still start the command.
  let mayStart = true
  const settled = Effect.sync(() => {
    mayStart = false
  })
  const end = Effect.suspend(() => (mayStart ? awaitSettled(engine, execId) : Effect.succeed(true))).pipe(
    Effect.flatMap((isSettled) => killer.end(isSettled ? ending : { ...ending, mayStart: true })),
    Effect.tap((became) => (became._tag === "Killed" ? Effect.void : watch.takeOver))
  )
  yield* Effect.addFinalizer(() => Effect.suspend(() => (over ? Effect.void : Effect.flatMap(end, warnUnlessKilled))))

  // Uninterruptible: once the engine has the request, it starts the command, even if the connection is closed.
  const connection = yield* engine.startExec(execId, { tty }).pipe(
    Effect.uninterruptible,
    Effect.tapErrorTag("EngineError", () => settled),
    Effect.catch(refusedStart(engine, spec))
  )
  const queue = yield* Queue.unbounded<ExecEvent, ExecutorError | Cause.Done>()
  const gate = new BackpressureGate()

  const run = Effect.gen(function* () {
    const seen = yield* awaitStart(engine, execId, connection)
    yield* settled
    if (!hasStarted(seen)) {
      over = true
      return yield* complaint(engine, spec, connection)
    }
    if (spec.tty !== undefined) {
      // Engines before API 1.42 take no size at the creation. It is set before the first key arrives.
      yield* resize(engine, execId, spec.tty.size)
      yield* Effect.forkScoped(Stream.runForEach(input.sizes, (size) => resize(engine, execId, size)))
    }
    yield* watch.begun(runId)
    yield* Queue.offer(queue, { _tag: "Started", execId })
    const letGo = yield* Deferred.make<void>()
    if (spec.stdin) {
      const feeding = feed(connection, input.stdin, new DetachFilter(keys))
      yield* Effect.forkScoped(
        Effect.tap(feeding, (detached) => (detached ? Deferred.succeed(letGo, undefined) : Effect.void))
      )
    }
    const detached = yield* Effect.raceFirst(
      Effect.as(pump(engine, execId, connection, queue, gate), false),
      Effect.as(Deferred.await(letGo), true)
    )
    if (detached) {
      over = true
      yield* watch.letGo
      yield* Queue.offer(queue, { _tag: "Detached", execId })
      return
    }
    const code = yield* awaitExit(engine, execId, spec, seen)
    over = true
    // The exit code is then that of a killed command, though it may be 0.
    if (!(yield* watch.letGo) && !tooLate) {
      return yield* new OutcomeUnknown({
        detail: "the connection to its guard was lost, so the guard killed the command"
      })
    }
    // A command that is killed on its timeout has an exit code, too, which is not the outcome of the run.
    if (!tooLate) yield* Queue.offer(queue, { _tag: "Exited", code })
  }).pipe(
    // The engine's errors mean that nothing has run.
    Effect.catchTag(["EngineUnreachable", "EngineError", "UnexpectedReply"], (error) =>
      Effect.fail(outcomeUnknown(error))
    )
  )

  const bounded =
    timeout === undefined
      ? run
      : Effect.gen(function* () {
          const fiber = yield* Effect.forkScoped(run)
          const ended = yield* Fiber.await(fiber).pipe(Effect.timeoutOption(timeout))
          if (Option.isSome(ended)) return yield* ended.value
          tooLate = true
          gate.openForGood()
          const became = yield* end
          yield* Fiber.await(fiber).pipe(Effect.timeoutOption(lastOutput))
          over = true
          return yield* new ExecTimeout({ after: timeout, ending: became })
        })
  yield* bounded.pipe(Queue.into(queue), Effect.forkScoped)
  return drain(queue, gate)
})

const warnUnlessKilled = (ending: Ending) =>
  ending._tag === "Killed" ? Effect.void : Effect.logWarning(describeEnding(ending))

/** Parses the detach keys of a spec from another process. */
const detachKeysOf = ({ command: [command], tty }: ExecSpec): Effect.Effect<Uint8Array, CommandNotStarted> =>
  Result.match(parseDetachKeys(tty?.detachKeys ?? ""), {
    onSuccess: (keys) => Effect.succeed(keys),
    onFailure: ({ message }) => Effect.fail(new CommandNotStarted({ command, detail: message }))
  })

/** Resizes the terminal. Ignores errors: the command has ended, or is about to. */
const resize = (engine: Engine, execId: string, { columns, rows }: TerminalSize) =>
  engine
    .resizeExec(execId, { w: columns, h: rows })
    .pipe(Effect.catch((error) => Effect.logDebug(`cannot resize the terminal: ${error.message}`)))

/** Sends the command its input. Returns `true` when the detach keys are pressed. Ignores errors: the command reads no more. */
const feed = Effect.fnUntraced(
  function* ({ endInput, write }: ExecConnection, stdin: Stream.Stream<Uint8Array>, filter: DetachFilter) {
    let detached = false
    yield* stdin.pipe(
      Stream.mapEffect((chunk) => {
        const filtered = filter.push(chunk)
        detached = filtered.detached
        return Effect.as(filtered.data.length === 0 ? Effect.void : write(filtered.data), detached)
      }),
      Stream.takeUntil((isDetached) => isDetached),
      Stream.runDrain
    )
    if (detached) return true
    yield* endInput
    return false
  },
  Effect.catch((error) => Effect.as(Effect.logDebug(`cannot send input: ${error.message}`), false))
)
