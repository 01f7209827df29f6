/**
 * `docker service exec`: runs a command in the container of any task of the swarm, on any node.
 *
 * The stages are `lookupTask`, `chooseRoute`, and the route itself (helper or local, exec, await exit, cleanup); this
 * module composes them.
 */

import type * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Tracer from "effect/Tracer"
import { openAccompaniment } from "./Accompaniment.ts"
import { runningAgents } from "./agent/Agents.ts"
import { recordRun, targetOf } from "./audit/Recording.ts"
import { collect, type ExecResult } from "./Collect.ts"
import { DockerEngine } from "./engine/DockerEngine.ts"
import type { InvalidEndpoint } from "./engine/EngineErrors.ts"
import { CurrentInventory } from "./engine/Inventory.ts"
import type { Signal } from "./executor/ExecSpec.ts"
import { describeEnding } from "./executor/ExecutorErrors.ts"
import { withInventory } from "./executor/RunInventory.ts"
import { type FleetError, type FleetRequest, runFleet } from "./fleet/Fleet.ts"
import type { FleetEvent } from "./fleet/FleetEvent.ts"
import { makeRunId } from "./Labels.ts"
import { untilStarted } from "./Repetition.ts"
import type { RunError, RunEvent } from "./Run.ts"
import { type CheckedRequest, checkRequest, type ExecRequest, specOf } from "./request/ExecRequest.ts"
import { HelperImage } from "./route/HelperImage.ts"
import { execHere } from "./route/LocalRoute.ts"
import { execThere, openWay, ownerOf, placeOf } from "./route/RemoteRoute.ts"
import { localNode } from "./route/Route.ts"
import { openSession, type Session, type SessionRequest } from "./Session.ts"
import { inStage } from "./Stage.ts"
import { lookupTask } from "./target/Lookup.ts"
import { awaitTask } from "./target/Wait.ts"

/**
 * Runs commands in the swarm's tasks.
 *
 * @example
 * ```ts
 * import * as Effect from "effect/Effect"
 * import { TaskExec } from "task-exec"
 *
 * const program = Effect.gen(function* () {
 *   const { exitCode, stdout } = yield* TaskExec.run({ target: "web.2", command: ["hostname"] })
 *   console.log(exitCode, new TextDecoder().decode(stdout))
 * })
 * Effect.runPromise(program.pipe(Effect.provide(TaskExec.layer)))
 * ```
 */
export class TaskExec extends Context.Service<
  TaskExec,
  {
    /**
     * The events of one command as they happen, byte-exact, stdout and stderr apart. `Exited` is the last one and comes
     * only when the engine reported the exit code and all output came before it; whatever else happens is an error.
     *
     * The command is ended, with everything it started, and every object on the swarm is removed when the stream's
     * consumer stops early, fails or is interrupted.
     */
    readonly stream: (request: ExecRequest) => Stream.Stream<RunEvent, RunError>
    /** Like `stream`, with the output collected: at most `collectLimit` bytes, otherwise `OutputTooLarge`. */
    readonly run: (request: ExecRequest) => Effect.Effect<ExecResult, RunError>
    /**
     * Starts a command to talk to: its stdin as a Sink, its events as a Stream, its terminal, signals and end. It runs until
     * its end or until the scope closes, which ends it as `stream` does. Failures are those of the session's events.
     */
    readonly open: (request: SessionRequest) => Effect.Effect<Session, never, Scope.Scope>
    /**
     * Runs one command in many tasks, those of a node by one helper. What becomes of each is in its `Ended` event; the
     * stream fails only before anything runs. The commands are ended as those of `stream` are.
     */
    readonly runAll: (request: FleetRequest) => Stream.Stream<FleetEvent, FleetError>
  }
>()("task-exec/TaskExec") {
  /** On the engine in the context, with the helper image in the context. */
  static readonly layerNoDeps: Layer.Layer<TaskExec, never, DockerEngine | HelperImage> = Layer.effect(
    TaskExec,
    Effect.gen(function* () {
      // A run's spans belong to whoever runs it, not to whoever built the layer.
      const context = Context.omit(Tracer.ParentSpan)(yield* Effect.context<DockerEngine | HelperImage>())
      const stream = (request: ExecRequest): Stream.Stream<RunEvent, RunError> =>
        Stream.unwrap(open(request)).pipe(
          withInventory,
          Stream.withSpan("TaskExec.stream"),
          Stream.provideContext(context)
        )
      return TaskExec.of({
        stream,
        run: (request) => collect(stream(request)),
        open: (request) => openSession(request, stream),
        runAll: (request) => Stream.provideContext(runFleet(request), context)
      })
    })
  )

  /**
   * On the engine that the environment names (`DOCKER_HOST`, `DOCKER_TLS_VERIFY`, `DOCKER_CERT_PATH`), with the helper
   * image that it names (`TASK_EXEC_IMAGE`).
   */
  static readonly layer: Layer.Layer<TaskExec, InvalidEndpoint | Config.ConfigError> = this.layerNoDeps.pipe(
    Layer.provide(HelperImage.layer),
    Layer.provide(DockerEngine.layer)
  )

  /** `stream` of the service in the context. */
  static readonly stream = (request: ExecRequest): Stream.Stream<RunEvent, RunError, TaskExec> =>
    Stream.unwrap(this.use((taskExec) => Effect.succeed(taskExec.stream(request))))

  /** `run` of the service in the context. */
  static readonly run = (request: ExecRequest): Effect.Effect<ExecResult, RunError, TaskExec> =>
    this.use((taskExec) => taskExec.run(request))

  /** `open` of the service in the context. */
  static readonly open = (request: SessionRequest): Effect.Effect<Session, never, TaskExec | Scope.Scope> =>
    this.use((taskExec) => taskExec.open(request))

  /** `runAll` of the service in the context. */
  static readonly runAll = (request: FleetRequest): Stream.Stream<FleetEvent, FleetError, TaskExec> =>
    Stream.unwrap(this.use((taskExec) => Effect.succeed(taskExec.runAll(request))))
}

const open = Effect.fn("TaskExec.open")(function* (request: ExecRequest) {
  const checked = yield* checkRequest(request)
  const { target, wait } = checked
  if (wait === undefined) {
    const { events, resolved } = yield* attempt(checked, lookupTask(target))
    return Stream.concat(Stream.make<[RunEvent]>(resolved), events)
  }
  return untilStarted((patience) => attempt(checked, awaitTask(target, patience, wait)), {
    target: target.text,
    wait,
    isRepeatable: !checked.stdin
  })
})

/** Finds the task, and makes its command ready to run. */
const attempt = Effect.fn("TaskExec.attempt")(function* (
  checked: CheckedRequest,
  found: ReturnType<typeof awaitTask> | ReturnType<typeof lookupTask>
) {
  const images = yield* HelperImage
  const image = yield* Effect.cached(checked.image === undefined ? images.reference : images.pin(checked.image))
  // What does not need the task is asked for at the same time: each answer takes some milliseconds.
  const [task, here] = yield* Effect.all([found, localNode, image], { concurrency: "unbounded" }).pipe(
    inStage({ _tag: checked.wait === undefined ? "Find" : "Wait", target: checked.target.text })
  )
  const way = yield* openWay(task, here, checked, runningAgents)
  const { route } = way
  const runId = makeRunId()
  const owner = yield* ownerOf(checked, runId)
  const spec = specOf(runId, task, checked)
  const recording = yield* recordRun(targetOf(task), route, spec)
  const input = recording.input(way.input)
  const { end, events } = yield* way.route === "local"
    ? execHere(spec, { image, owner }, input)
    : Effect.map(image, (reference) => execThere(way, placeOf(task, reference, checked), spec, input, owner))
  // Who sends a signal wants all of the command gone: what the command leaves behind is waited for, and killed.
  const endings = yield* FiberSet.make()
  yield* Effect.addFinalizer(() => FiberSet.awaitEmpty(endings))
  const send = (signal: Signal) =>
    end({ runId: spec.runId, container: spec.container, signal, grace: signal === "SIGKILL" ? 0 : checked.grace }).pipe(
      Effect.tap((ending) =>
        ending._tag === "Killed" ? Effect.void : Effect.logWarning(`${signal}: ${describeEnding(ending)}`)
      ),
      // The next signal must not wait for what this one does.
      FiberSet.run(endings)
    )
  yield* Effect.forkScoped(Stream.runForEach(checked.signals, send))
  const inventory = yield* CurrentInventory
  const command = { runId, where: `${task.name} on ${task.node.hostname}`, grace: checked.grace }
  yield* Effect.addFinalizer(() => Effect.sync(() => inventory.ended(command)))
  const seen = recording.events(events).pipe(
    Stream.tap(({ _tag }) =>
      Effect.sync(() => {
        if (_tag === "Started") inventory.started(command)
        if (_tag === "Exited") inventory.ended(command)
      })
    )
  )
  const accompany = yield* openAccompaniment
  return {
    resolved: { _tag: "Resolved" as const, task, route },
    events: yield* accompany(route, seen)
  }
})
