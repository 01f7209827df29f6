/** Performs the actions of an executor: reads a container's log, or sends a signal to its main process. */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { DockerEngineShape } from "../engine/DockerEngine.ts"
import type { EngineFailure } from "../engine/EngineErrors.ts"
import { BackpressureGate } from "../internal/BackpressureGate.ts"
import { checkPermission } from "../policy/Permission.ts"
import type { PolicyDenied, ProtectedTarget } from "../policy/PolicyErrors.ts"
import type { Action, Logs, SendSignal } from "./Action.ts"
import type { ExecEvent } from "./ExecEvent.ts"
import type { ExecSpec } from "./ExecSpec.ts"
import { ExecTimeout, type ExecutorError, LogUnreadable, SignalNotSent } from "./ExecutorErrors.ts"
import { drain, move } from "./internal/Output.ts"
import { killed } from "./KillResult.ts"
import { accessOf } from "./Permitted.ts"

/** Milliseconds without a new line after which a followed log is ended, once its `until` has passed. Engines do not end it themselves. */
const quietEnd = 1000

/** The HTTP status of an engine that can't read the logs of a container's log driver. */
const notReadable = 501

/**
 * Performs an action, and reports on it with the events of a command. Reads at most 1 MiB ahead of the consumer. Stops reading at once when
 * it is interrupted. Creates nothing on the node.
 */
export const performAction = (
  engine: DockerEngineShape,
  spec: ExecSpec,
  action: Action
): Stream.Stream<ExecEvent, ExecutorError> => {
  const events = Stream.unwrap(
    action._tag === "Logs" ? readLog(engine, spec, action) : sendSignal(engine, spec, action)
  )
  const { timeout } = spec
  if (timeout === undefined) return events
  const timeUp = Effect.andThen(Effect.sleep(timeout), new ExecTimeout({ after: timeout, killResult: killed }))
  return Stream.interruptWhen(events, timeUp)
}

const started = ({ runId }: ExecSpec): ExecEvent => ({ _tag: "Started", execId: runId })
const succeeded: ExecEvent = { _tag: "Exited", code: 0 }

const permitted = (engine: DockerEngineShape, spec: ExecSpec) =>
  checkPermission(engine, spec.container, spec.policy, accessOf(spec))

const sendSignal = Effect.fnUntraced(
  function* (engine: DockerEngineShape, spec: ExecSpec, { signal }: SendSignal) {
    yield* permitted(engine, spec)
    yield* engine.killContainer(spec.container, signal)
    return Stream.make<[ExecEvent, ExecEvent]>(started(spec), succeeded)
  },
  (effect, _, { container }, { signal }) =>
    Effect.catchTag(effect, "EngineError", ({ text }) =>
      Effect.fail(new SignalNotSent({ container, signal, detail: text }))
    )
)

const readLog = Effect.fnUntraced(function* (
  engine: DockerEngineShape,
  spec: ExecSpec,
  { _tag, until, ...lines }: Logs
): Effect.fn.Return<Stream.Stream<ExecEvent, ExecutorError>, ExecutorError, Scope.Scope> {
  const { container } = spec
  const [{ Config, HostConfig }] = yield* Effect.all([engine.inspectContainer(container), permitted(engine, spec)], {
    concurrency: 2
  }).pipe(Effect.mapError(unreadable(container)))
  const log = yield* engine
    .readContainerLog(container, { ...lines, until })
    .pipe(Effect.mapError(unreadable(container, HostConfig.LogConfig.Type)))
  const bounded = lines.follow && until !== undefined ? yield* endWhenQuiet(log, Number(until) * 1000) : log
  // Each line of a log arrives as a piece of its own. Reading ahead joins the pieces that wait for the consumer, so they need fewer
  // messages.
  const queue = yield* Queue.unbounded<ExecEvent, ExecutorError | Cause.Done>()
  const gate = new BackpressureGate()
  Queue.offerUnsafe(queue, started(spec))
  const incomplete = (detail: string) => new LogUnreadable({ container, reason: "Incomplete", detail })
  const framing = Config.Tty ? "raw" : "multiplexed"
  yield* move({ framing, output: bounded, aborted: incomplete, invalid: incomplete }, queue, gate).pipe(
    Effect.andThen(Effect.sync(() => Queue.offerUnsafe(queue, succeeded))),
    Queue.into(queue),
    Effect.forkScoped
  )
  return drain(queue, gate)
})

/** Converts the engine's error for a log. `driver`: the container's log driver, if it is known. */
const unreadable =
  (container: string, driver?: string) =>
  (error: EngineFailure | PolicyDenied | ProtectedTarget): ExecutorError => {
    if (error._tag !== "EngineError") return error
    const fields = { container, detail: error.text }
    // 409: the engine is removing the container.
    if (error.status === 404 || error.status === 409) return new LogUnreadable({ ...fields, reason: "Removed" })
    return error.status === notReadable
      ? new LogUnreadable({ ...fields, reason: "Driver", ...(driver === undefined ? {} : { driver }) })
      : error
  }

/** Ends a log after this time (Unix milliseconds), when no line has arrived for {@link quietEnd}. */
const endWhenQuiet = Effect.fnUntraced(function* <E>(
  log: Stream.Stream<Uint8Array, E>,
  at: number
): Effect.fn.Return<Stream.Stream<Uint8Array, E>, never, Scope.Scope> {
  const pull = yield* Stream.toPull(log)
  const quiet = Effect.flatMap(Clock.currentTimeMillis, (now) => Effect.sleep(Math.max(0, at - now) + quietEnd))
  return Stream.fromPull(Effect.succeed(Effect.raceFirst(pull, Effect.andThen(quiet, Cause.done()))))
})
