/** Starts a command in a container: streams its output, proves its end, and kills it on a timeout or an interruption. */
import type * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import type { DockerEngine } from "../../engine/DockerEngine.ts"
import type { ExecConnection } from "../../engine/ExecRequests.ts"
import { BackpressureGate } from "../../internal/BackpressureGate.ts"
import { DetachFilter, neverPressed, parseDetachKeys } from "../DetachKeys.ts"
import type { ExecEvent, ExecInput } from "../ExecEvent.ts"
import { type EndRun, type ExecSpec, runVariable, type TerminalSize } from "../ExecSpec.ts"
import {
  CommandNotStarted,
  ExecTimeout,
  type ExecutorError,
  OutcomeUnknown,
  outcomeUnknown
} from "../ExecutorErrors.ts"
import type { Guard } from "../Guard.ts"
import type { Inspector } from "../HostView.ts"
import { describeKillResult, type KillResult } from "../KillResult.ts"
import type { ProcessKiller } from "../ProcessKiller.ts"
import { refused, refusedStart } from "../Refusal.ts"
import { awaitExit } from "./awaitExit.ts"
import { drain, pump } from "./Output.ts"
import { awaitSettled, awaitStart, complaint, hasStarted } from "./Starting.ts"

/** Milliseconds in which the rest of the output must arrive after the command was killed. */
const lastOutput = 3000
/** Milliseconds after a command's timeout and grace period at which its guard kills it. */
const guardSlack = 5000

type Engine = DockerEngine["Service"]

/** What an exec needs: its engine, and what kills it. */
export interface ExecTools {
  readonly engine: Engine
  readonly guard: Guard["Service"]
  readonly killer: ProcessKiller["Service"]
  /** Inspects the container as it is before the command starts. */
  readonly inspector: Inspector
}

/**
 * Creates and starts an exec, and returns its events. A timeout, or the end of the scope before `Exited`, kills the command and all its child
 * processes. `permitted` creates the exec if the policy allows it.
 */
export const startExec = Effect.fnUntraced(function* (
  { engine, guard, inspector, killer }: ExecTools,
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
  const endRun: EndRun = { runId, container, signal, grace }
  const [execId, watch] = yield* Effect.all(
    [
      creation,
      guard.watch(
        { runs: [endRun], ...(timeout === undefined ? {} : { after: timeout + grace + guardSlack }) },
        inspector
      )
    ],
    { concurrency: 2 }
  )

  // A process may exist from this line on. A caller that stops early must end it.
  let isOver = false
  let hasTimedOut = false
  // Whether the engine may still start the command.
  let mayStart = true
  const settled = Effect.sync(() => {
    mayStart = false
  })
  const end = Effect.suspend(() => (mayStart ? awaitSettled(engine, execId) : Effect.succeed(true))).pipe(
    Effect.flatMap((isSettled) => killer.end(isSettled ? endRun : { ...endRun, mayStart: true })),
    Effect.tap((result) => (result._tag === "Killed" ? Effect.void : watch.killOnClose))
  )
  yield* Effect.addFinalizer(() => Effect.suspend(() => (isOver ? Effect.void : Effect.flatMap(end, warnUnlessKilled))))

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
      isOver = true
      return yield* complaint(engine, spec, connection)
    }
    if (spec.tty !== undefined) {
      // Engines before API 1.42 take no size at the creation. It is set before the first key arrives.
      yield* resize(engine, execId, spec.tty.size)
      yield* Effect.forkScoped(Stream.runForEach(input.sizes, (size) => resize(engine, execId, size)))
    }
    yield* watch.started(runId)
    yield* Queue.offer(queue, { _tag: "Started", execId })
    const detaching = yield* Deferred.make<void>()
    if (spec.stdin) {
      const fed = feed(connection, input.stdin, new DetachFilter(keys))
      yield* Effect.forkScoped(
        Effect.tap(fed, (isDetached) => (isDetached ? Deferred.succeed(detaching, undefined) : Effect.void))
      )
    }
    const detached = yield* Effect.raceFirst(
      Effect.as(pump(engine, execId, connection, queue, gate), false),
      Effect.as(Deferred.await(detaching), true)
    )
    if (detached) {
      isOver = true
      yield* watch.release
      yield* Queue.offer(queue, { _tag: "Detached", execId })
      return
    }
    const code = yield* awaitExit(engine, execId, spec, seen)
    isOver = true
    // The exit code is then that of a killed command, though it may be 0.
    if (!(yield* watch.release) && !hasTimedOut) {
      return yield* new OutcomeUnknown({
        detail: "the connection to its guard was lost, so the guard killed the command"
      })
    }
    // A command that is killed on its timeout has an exit code, too, which is not the outcome of the run.
    if (!hasTimedOut) yield* Queue.offer(queue, { _tag: "Exited", code })
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
          hasTimedOut = true
          gate.openForGood()
          const result = yield* end
          yield* Fiber.await(fiber).pipe(Effect.timeoutOption(lastOutput))
          isOver = true
          return yield* new ExecTimeout({ after: timeout, killResult: result })
        })
  yield* bounded.pipe(Queue.into(queue), Effect.forkScoped)
  return drain(queue, gate)
})

const warnUnlessKilled = (killResult: KillResult) =>
  killResult._tag === "Killed" ? Effect.void : Effect.logWarning(describeKillResult(killResult))

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
