/**
 * Runs one command in one container of the engine at hand: starts it, streams its output, proves its end, and ends it
 * with everything that it started when it takes too long or nobody wants it any more.
 *
 * The same code runs in a helper on the task's node and, on the `local` route, in the caller. It knows nothing of
 * Swarm.
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
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import { Demux, DemuxError, type Piece } from "../engine/Demux.ts"
import { DockerEngine } from "../engine/DockerEngine.ts"
import type { ExecConnection, Framing } from "../engine/ExecRequests.ts"
import { Brake } from "../internal/Brake.ts"
import { DetachFilter, neverPressed, parseDetachKeys } from "./DetachKeys.ts"
import type { ExecEvent } from "./ExecEvent.ts"
import { type EndRun, type ExecSpec, runVariable, type TerminalSize } from "./ExecSpec.ts"
import {
  CommandNotStarted,
  ContainerStopped,
  describeEnding,
  type Ending,
  type ExecutorError,
  OutcomeUnknown,
  TimedOut
} from "./ExecutorErrors.ts"
import { Guard } from "./Guard.ts"
import { isGone, stillRuns } from "./internal/stillRuns.ts"
import { joinPieces } from "./joinPieces.ts"
import { createPermitted } from "./Permitted.ts"
import { ProcessKiller } from "./ProcessKiller.ts"
import { complained, refused } from "./Refusal.ts"

/** How long the engine may take to start a command. */
const startPatience = "60 seconds"
const tick = 200
/** How often a command without output is looked at, in case the engine does not close its stream (moby 45120). */
const quietInterval = 5000
/** A stream that says nothing for so long after the command's end has nothing more to say. */
const silence = 3000
/** How long the rest of the output may take after the command was killed. */
const lastOutput = 3000
/** How long after a command must have been ended its guard ends it, in milliseconds. */
const guardSlack = 5000
/** The exit code with which engines say that a command did not start, and other things too. */
const notStartedCode = 126
/** Bytes of an engine's complaint that are kept. */
const complaintBytes = 4096

/** What a command gets while it runs. Where the spec says that it has no stdin, or no terminal, that part is not used. */
export interface ExecInput {
  /** Pulled as fast as the command reads. Its end is the end of the command's stdin, but not of its terminal. */
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
     * Runs the command when the stream is pulled, unless a policy forbids it (`PolicyDenied`); the last event is `Exited`,
     * and comes only when the engine reported the exit code and all output came before it.
     *
     * The engine is always read at full speed at the end of a command, as it cuts what is not read within 2 seconds
     * (`daemon/monitor.go`); while the command runs, a slow consumer slows the command down after 1 MiB.
     *
     * Interruption, or the end of the stream's scope, before `Exited` ends the command and everything it started; so does
     * the {@link Guard}, should this process be killed.
     */
    readonly exec: (spec: ExecSpec, input?: ExecInput) => Stream.Stream<ExecEvent, ExecutorError>
  }
>()("task-exec/Executor") {
  /** On the engine in the context. */
  static readonly layer: Layer.Layer<Executor, never, DockerEngine | Guard | ProcessKiller> = Layer.effect(
    Executor,
    Effect.gen(function* () {
      const engine = yield* DockerEngine
      const tools: Tools = { engine, guard: yield* Guard, killer: yield* ProcessKiller }
      return Executor.of({ exec: (spec, input = noInput) => Stream.unwrap(start(tools, spec, input)) })
    })
  )
}

type Engine = DockerEngine["Service"]

interface Tools {
  readonly engine: Engine
  readonly guard: Guard["Service"]
  readonly killer: ProcessKiller["Service"]
}

const start = Effect.fnUntraced(function* ({ engine, guard, killer }: Tools, spec: ExecSpec, input: ExecInput) {
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
      // The engine looks for keys too. It never sees all of them, as they are found here first.
      ...(spec.tty === undefined ? {} : { DetachKeys: keys.length === 0 ? neverPressed : spec.tty.detachKeys }),
      ...(spec.tty === undefined ? {} : { ConsoleSize: [spec.tty.size.rows, spec.tty.size.columns] as const })
    })
    .pipe(Effect.catch(refused(engine, spec)))
  const creation = createPermitted(engine, spec, create)
  if (spec.detach) {
    const execId = yield* creation
    yield* engine.startExecDetached(execId, { tty }).pipe(Effect.catch(refused(engine, spec)))
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

  // From here on a process may exist, so whoever leaves early must end it.
  let over = false
  let tooLate = false
  const end = killer.end(ending).pipe(Effect.tap((became) => (became._tag === "Killed" ? Effect.void : watch.takeOver)))
  yield* Effect.addFinalizer(() => Effect.suspend(() => (over ? Effect.void : Effect.flatMap(end, warnUnlessKilled))))

  const connection = yield* engine.startExec(execId, { tty }).pipe(Effect.catch(refused(engine, spec)))
  const queue = yield* Queue.unbounded<ExecEvent, ExecutorError | Cause.Done>()
  const brake = new Brake()

  const run = Effect.gen(function* () {
    if (!(yield* whetherItRan(engine, execId))) {
      over = true
      return yield* complaint(engine, spec, connection)
    }
    if (spec.tty !== undefined) {
      // Engines before API 1.42 know no size at the creation. It is there before the first key is.
      yield* resize(engine, execId, spec.tty.size)
      yield* Effect.forkScoped(Stream.runForEach(input.sizes, (size) => resize(engine, execId, size)))
    }
    yield* Queue.offer(queue, { _tag: "Started", execId })
    const letGo = yield* Deferred.make<void>()
    if (spec.stdin) {
      const feeding = feed(connection, input.stdin, new DetachFilter(keys))
      yield* Effect.forkScoped(
        Effect.tap(feeding, (detached) => (detached ? Deferred.succeed(letGo, undefined) : Effect.void))
      )
    }
    const detached = yield* Effect.raceFirst(
      Effect.as(pump(engine, execId, connection, queue, brake), false),
      Effect.as(Deferred.await(letGo), true)
    )
    if (detached) {
      over = true
      yield* watch.letGo
      yield* Queue.offer(queue, { _tag: "Detached", execId })
      return
    }
    const code = yield* awaitExit(engine, execId, spec)
    over = true
    // The code is then that of a command that was ended, though it may be 0.
    if (!(yield* watch.letGo) && !tooLate) {
      return yield* new OutcomeUnknown({
        detail: "the connection to its guard was cut, and the guard ended the command"
      })
    }
    // Killed after its time, it has an exit code too, but that is not how the run ended.
    if (!tooLate) yield* Queue.offer(queue, { _tag: "Exited", code })
  })

  const bounded =
    timeout === undefined
      ? run
      : Effect.gen(function* () {
          const fiber = yield* Effect.forkScoped(run)
          const ended = yield* Fiber.await(fiber).pipe(Effect.timeoutOption(timeout))
          if (Option.isSome(ended)) return yield* ended.value
          tooLate = true
          brake.release()
          const became = yield* end
          yield* Fiber.await(fiber).pipe(Effect.timeoutOption(lastOutput))
          over = true
          return yield* new TimedOut({ after: timeout, ending: became })
        })
  yield* bounded.pipe(
    Effect.matchCauseEffect({
      onFailure: (cause) => Queue.failCause(queue, cause),
      onSuccess: () => Queue.end(queue)
    }),
    Effect.forkScoped
  )
  return Stream.fromQueue(queue).pipe(
    Stream.mapArray((events) => {
      for (const event of events) if (event._tag === "Stdout" || event._tag === "Stderr") brake.taken(event.data.length)
      return joinPieces(events)
    })
  )
})

const warnUnlessKilled = (ending: Ending) =>
  ending._tag === "Killed" ? Effect.void : Effect.logWarning(describeEnding(ending))

/**
 * A command that can't be started gets its complaint written to stdout by the engine, with HTTP 200. Only inspect
 * tells: an exit code without a PID. Until one of the two is known nothing of the stream is taken for output.
 */
const whetherItRan = Effect.fnUntraced(function* (engine: Engine, execId: string) {
  const state = yield* engine.inspectExec(execId).pipe(
    Effect.repeat({
      schedule: Schedule.spaced("5 millis"),
      until: (exec) => exec.Pid > 0 || exec.ExitCode !== null
    }),
    Effect.timeoutOrElse({
      duration: startPatience,
      orElse: () => new OutcomeUnknown({ detail: "the engine did not say whether the command started" })
    })
  )
  return state.Pid > 0
})

const complaint = Effect.fnUntraced(function* (engine: Engine, spec: ExecSpec, { framing, output }: ExecConnection) {
  const take = pieces(framing)
  let text = ""
  yield* Stream.runForEach(output, (chunk) =>
    Effect.sync(() => {
      for (const piece of take.push(chunk)) {
        if (text.length < complaintBytes) text += Buffer.from(piece.data).toString("utf8")
      }
    })
  )
  return yield* complained(engine, spec, text.trim())
})

/** What takes the engine's stream apart; with a terminal there is but one stream, as it is. */
const pieces = (framing: Framing): Pick<Demux, "end" | "push"> =>
  framing === "multiplexed"
    ? new Demux()
    : { push: (data): ReadonlyArray<Piece> => [{ channel: "stdout", data }], end: () => undefined }

/** The keys of a spec that came from elsewhere. */
const detachKeysOf = ({ command: [command], tty }: ExecSpec): Effect.Effect<Uint8Array, CommandNotStarted> =>
  Result.match(parseDetachKeys(tty?.detachKeys ?? ""), {
    onSuccess: (keys) => Effect.succeed(keys),
    onFailure: ({ message }) => Effect.fail(new CommandNotStarted({ command, detail: message }))
  })

/** A terminal that can't be resized any more has ended, or is about to. */
const resize = (engine: Engine, execId: string, { columns, rows }: TerminalSize) =>
  engine
    .resizeExec(execId, { w: columns, h: rows })
    .pipe(Effect.catch((error) => Effect.logDebug(`resize: ${error.message}`)))

/** Gives the command its input; `true` when the detach keys were pressed. A command that reads no more is no error. */
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
  Effect.catch((error) => Effect.as(Effect.logDebug(`stdin: ${error.message}`), false))
)

/** Moves the engine's stream into the queue until it ends. */
const pump = (
  engine: Engine,
  execId: string,
  { framing, output }: ExecConnection,
  queue: Queue.Queue<ExecEvent, ExecutorError | Cause.Done>,
  brake: Brake
) => {
  const demux = pieces(framing)
  const take = (chunk: Uint8Array) =>
    Effect.suspend(() => {
      for (const { channel, data } of demux.push(chunk)) {
        if (channel === "system") {
          return new OutcomeUnknown({ detail: `the engine broke off: ${Buffer.from(data).toString("utf8").trim()}` })
        }
        brake.held(data.length)
        Queue.offerUnsafe(queue, { _tag: channel === "stderr" ? "Stderr" : "Stdout", data })
      }
      return brake.wait
    })
  return Stream.runForEach(output, take).pipe(
    Effect.andThen(Effect.sync(() => demux.end())),
    Effect.raceFirst(watch(engine, execId, brake)),
    Effect.catchDefect((defect) =>
      defect instanceof DemuxError ? new OutcomeUnknown({ detail: defect.message }) : Effect.die(defect)
    )
  )
}

/**
 * Ends when the command ended and its stream has been silent: some engines never close it (moby 45120). While the
 * brake is on it also looks for the command's end, as from then on the engine must be read at full speed; an engine
 * that waits for its output to be read does not answer, which tells as much.
 */
const watch = Effect.fnUntraced(function* (engine: Engine, execId: string, brake: Brake) {
  const running = engine.inspectExec(execId).pipe(
    Effect.map((exec) => exec.Running),
    // Gone, or its container is: not running. What that means is for awaitExit to find out.
    Effect.catch(() => Effect.succeed(false)),
    Effect.timeoutOption(tick)
  )
  let quiet = 0
  while (true) {
    yield* Effect.sleep(tick)
    quiet += tick
    if (!brake.isOn && quiet < quietInterval) continue
    quiet = 0
    const answer = yield* running
    if (Option.isSome(answer) && answer.value) continue
    brake.release()
    if (Option.isNone(answer)) continue
    let before: number
    do {
      before = brake.total
      yield* Effect.sleep(silence)
    } while (brake.total !== before)
    return
  }
})

/** The event of an exec's end has the code that the runtime reported. It comes a moment after the stream's end. */
const isProven = (engine: Engine, container: string, execId: string) =>
  engine.pastEvents({ container: [container], event: ["exec_die"] }).pipe(
    Effect.map((events) =>
      events.some(
        ({ Actor }) => Actor.Attributes.execID === execId && Actor.Attributes.exitCode === String(notStartedCode)
      )
    ),
    Effect.repeat({
      schedule: Schedule.spaced("50 millis").pipe(Schedule.upTo({ duration: "2 seconds" })),
      until: (proven) => proven
    })
  )

/**
 * The exit code, once the engine says that the command ended; the stream's end alone proves nothing. The engine marks an
 * exec as ended before it closes its stream, and keeps the stream open as long as the command runs, even if the command
 * closed its outputs (asked of 20.10 and 28.5): a stream that is over while the command runs was cut, and output is lost.
 */
const awaitExit = Effect.fnUntraced(function* (engine: Engine, execId: string, spec: ExecSpec) {
  const { container } = spec
  const stopped = new ContainerStopped({ container })
  const cut = new OutcomeUnknown({ detail: "the connection to the engine was cut while the command ran" })
  // The engine forgets the exec with its container.
  const exec = yield* engine
    .inspectExec(execId)
    .pipe(Effect.mapError((error): ExecutorError => (isGone(error) ? stopped : error)))
  if (exec.Running) return yield* cut
  // An engine that can't get rid of a command's output calls it ended with 126, though it goes on.
  if (exec.ExitCode === notStartedCode && !(yield* isProven(engine, container, execId))) return yield* cut
  // A KILL comes from inside as well as from the container's end, which the engine may report a moment later: only in
  // the latter case the command was cut off.
  if (exec.ExitCode === null || exec.ExitCode === 137) {
    if (!(yield* stillRuns(engine, container))) return yield* stopped
  }
  if (exec.ExitCode === null) return yield* new OutcomeUnknown({ detail: "the engine reports no exit code" })
  return exec.ExitCode
})
