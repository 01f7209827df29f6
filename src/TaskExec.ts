/** `docker service exec`: runs a command in the container of any task of the swarm, on any node. */

import type * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Tracer from "effect/Tracer"
import { isNothingRun, isRetryable } from "./Aftermath.ts"
import { collect, type ExecResult } from "./Collect.ts"
import type { InvalidEndpoint } from "./engine/EngineErrors.ts"
import { Swarm } from "./engine/Swarm.ts"
import { withInventory } from "./executor/RunInventory.ts"
import { type FleetError, runFleet } from "./fleet/Fleet.ts"
import type { FleetEvent } from "./fleet/FleetEvent.ts"
import type { FleetRequest } from "./fleet/FleetRequest.ts"
import {
  type FleetLogsRequest,
  type FleetSignalRequest,
  type LogsRequest,
  logsRequest,
  type SignalRequest,
  signalRequest
} from "./fleet/TaskActions.ts"
import { forwardPorts } from "./forward/Forward.ts"
import type { ForwardError, Forwarding, ForwardRequest } from "./forward/Forwarding.ts"
import type { InvalidConfigFile } from "./helper/ConfigFile.ts"
import { HelperImage } from "./helper/HelperImage.ts"
import { type Connect, connect } from "./node/Connect.ts"
import { openRun } from "./openRun.ts"
import type { RunError, RunEvent } from "./Run.ts"
import { type CheckedRequest, checkRequest } from "./request/CheckedRequest.ts"
import type { ExecRequest } from "./request/ExecRequest.ts"
import { openSession, type Session, type SessionRequest } from "./Session.ts"

/**
 * Runs commands in the tasks of a swarm, on any node.
 *
 * **When to use**: `run` for an exit code and its output, `stream` for output as it arrives, `open` for a conversation or a terminal,
 * `runAll` for many tasks, `forward` for ports, `logs` and `signal` for a task's main process.
 *
 * **Details**: each request looks up its task anew. An exit code other than 0 is not an error.
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
 *
 * @category services
 * @since 0.1.0
 */
export class TaskExec extends Context.Service<
  TaskExec,
  {
    /** Runs a command in one task and streams its output: see `TaskExec.stream`. */
    readonly stream: (request: ExecRequest) => Stream.Stream<RunEvent, RunError>
    /** Runs a command in one task, and returns its exit code and its output: see `TaskExec.run`. */
    readonly run: (request: ExecRequest) => Effect.Effect<ExecResult, RunError>
    /** Opens a session with a command in one task: see `TaskExec.open`. */
    readonly open: (request: SessionRequest) => Effect.Effect<Session, never, Scope.Scope>
    /** Runs one command in many tasks: see `TaskExec.runAll`. */
    readonly runAll: (request: FleetRequest) => Stream.Stream<FleetEvent, FleetError>
    /** Forwards local ports to a task: see `TaskExec.forward`. */
    readonly forward: (request: ForwardRequest) => Effect.Effect<Forwarding, ForwardError, Scope.Scope>
  }
>()("task-exec/TaskExec") {
  /**
   * Provides `TaskExec` over the `Swarm` and the `HelperImage` in the context.
   *
   * **When to use**: to choose the managers or the helper's image in code. Otherwise, use `layer`.
   *
   * @category layers
   * @since 0.1.0
   */
  static readonly layerNoDeps: Layer.Layer<TaskExec, never, Swarm | HelperImage> = Layer.effect(
    TaskExec,
    Effect.suspend(() => makeTaskExec(connect))
  )

  /**
   * Provides `TaskExec` over the swarm that the environment names, as the docker CLI finds it: see `Swarm.layer` and `HelperImage.layer`.
   *
   * **Details**: connects on first use. Fails with `InvalidEndpoint` or `InvalidConfigFile` if the configuration is invalid.
   *
   * @category layers
   * @since 0.1.0
   */
  static readonly layer: Layer.Layer<TaskExec, InvalidEndpoint | InvalidConfigFile | Config.ConfigError> =
    this.layerNoDeps.pipe(Layer.provide(HelperImage.layer), Layer.provide(Swarm.layer))

  /**
   * Whether an error proves that the command has not run. `false` for values that are not errors of the library.
   *
   * **Details**: `docs/errors.md` has the results for each error. `aftermathOf` returns it as data.
   *
   * @category errors
   * @since 0.2.0
   */
  static readonly isNothingRun: (error: unknown) => boolean = isNothingRun

  /**
   * Whether a failed request can be repeated without harm, and may then succeed.
   *
   * **When to use**: as the condition of `Effect.retry`, or in `Schedule.while`. To wait for a task that is being deployed, use `wait` in
   * the request instead.
   *
   * **Gotchas**: input that an attempt has read from `stdin` is missing in the next one. `Stream.retry` of `stream` counts from zero after
   * each event, and `Resolved` comes before most errors: repeat `run`.
   *
   * @example
   * ```ts
   * import * as Effect from "effect/Effect"
   * import * as Schedule from "effect/Schedule"
   * import { TaskExec } from "task-exec"
   *
   * const migrate = TaskExec.run({ target: "web.1", command: ["./migrate"] }).pipe(
   *   Effect.retry({ while: TaskExec.isRetryable, schedule: Schedule.exponential("1 second"), times: 5 })
   * )
   * ```
   *
   * @category errors
   * @since 0.2.0
   */
  static readonly isRetryable: (error: unknown) => boolean = isRetryable

  /**
   * Runs a command in one task and streams its output.
   *
   * **Details**: stdout and stderr arrive separately and byte for byte. `Exited` is the last event (`Detached` for a detached command).
   * `Exited` is emitted only after the engine has reported the exit code and all output has arrived. Every other end is an error.
   *
   * **Gotchas**: if the consumer stops early, fails or is interrupted, the command and all its child processes are killed. Everything that
   * was created for the run is then removed.
   *
   * @example
   * ```ts
   * import * as Effect from "effect/Effect"
   * import * as Stream from "effect/Stream"
   * import { TaskExec } from "task-exec"
   *
   * const backup = TaskExec.stream({ target: "db", command: ["pg_dump", "shop"] }).pipe(
   *   Stream.runForEach((event) => Effect.sync(() => event._tag === "Stdout" && process.stdout.write(event.data)))
   * )
   * ```
   *
   * @category running
   * @since 0.1.0
   */
  static readonly stream = (request: ExecRequest): Stream.Stream<RunEvent, RunError, TaskExec> =>
    Stream.unwrap(this.use((taskExec) => Effect.succeed(taskExec.stream(request))))

  /**
   * Runs a command in one task, and returns its exit code and its output.
   *
   * **Details**: keeps at most `collectLimit` bytes (64 MiB) of stdout and stderr together. If there is more, the command is killed, and
   * the run fails with `OutputTooLarge`. `stream` has no limit.
   *
   * @example
   * ```ts
   * import * as Effect from "effect/Effect"
   * import { TaskExec } from "task-exec"
   *
   * const hostname = TaskExec.run({ target: "web.2", command: ["hostname"], timeout: "10 seconds" }).pipe(
   *   Effect.map(({ stdout }) => new TextDecoder().decode(stdout).trim())
   * )
   * ```
   *
   * @category running
   * @since 0.1.0
   */
  static readonly run = (request: ExecRequest): Effect.Effect<ExecResult, RunError, TaskExec> =>
    this.use((taskExec) => taskExec.run(request))

  /**
   * Reads the log of a task from its node's engine. `Stdout` and `Stderr` hold the bytes that the container wrote, in order.
   *
   * **Details**: if the target has no running task, reads the log of its newest task that had a container. An ID also matches a task that
   * has ended. `Exited` is the last event, after the whole log; with `follow`, it arrives when the container ends. Reading is as fast as
   * the consumer. The policy label must allow `logs`.
   *
   * @example
   * ```ts
   * import * as Effect from "effect/Effect"
   * import * as Stream from "effect/Stream"
   * import { TaskExec } from "task-exec"
   *
   * const errors = TaskExec.logs({ target: "web.2", since: "10m" }).pipe(
   *   Stream.runForEach((event) => Effect.sync(() => event._tag === "Stderr" && process.stderr.write(event.data)))
   * )
   * ```
   *
   * @category running
   * @since 0.2.0
   */
  static readonly logs = (request: LogsRequest): Stream.Stream<RunEvent, RunError, TaskExec> =>
    this.stream(logsRequest(request))

  /**
   * Reads the logs of many tasks: see `logs` and `runAll`.
   *
   * **Details**: for a slot without a running task, reads the log of the slot's newest task. With `follow` and `followUpdates`, reading
   * continues with the next task of the slot when a container ends.
   *
   * @category running
   * @since 0.2.0
   */
  static readonly logsAll = (request: FleetLogsRequest): Stream.Stream<FleetEvent, FleetError, TaskExec> =>
    this.runAll(logsRequest(request))

  /**
   * Sends a signal to the main process of a task's container. Succeeds when the engine has sent it.
   *
   * **Gotchas**: a signal that ends the process ends the task, which Swarm then replaces according to the service's restart policy. Child
   * processes receive no signal. The policy label must allow `signal`.
   *
   * @example
   * ```ts
   * import { TaskExec } from "task-exec"
   *
   * const reload = TaskExec.signal({ target: "web.2", signal: "SIGHUP" })
   * ```
   *
   * @category running
   * @since 0.2.0
   */
  static readonly signal = (request: SignalRequest): Effect.Effect<void, RunError, TaskExec> =>
    Effect.asVoid(this.run(signalRequest(request)))

  /**
   * Sends a signal to the main processes of many tasks: see `signal` and `runAll`.
   *
   * @category running
   * @since 0.2.0
   */
  static readonly signalAll = (request: FleetSignalRequest): Stream.Stream<FleetEvent, FleetError, TaskExec> =>
    this.runAll(signalRequest(request))

  /**
   * Opens a session: a running command with stdin, events, terminal, signals and exit code as separate parts.
   *
   * **When to use**: for a conversation with a command, and for terminals. For output alone, `stream` is simpler.
   *
   * **Details**: when the scope closes, task-exec kills the command and removes everything that it created. Errors are in the session's
   * `events` and `outcome`.
   *
   * @category running
   * @since 0.1.0
   */
  static readonly open = (request: SessionRequest): Effect.Effect<Session, never, TaskExec | Scope.Scope> =>
    this.use((taskExec) => taskExec.open(request))

  /**
   * Runs one command in many tasks.
   *
   * **Details**: the result of each task is in its `Ended` event. The stream fails only before any command runs. The tasks of one node
   * share a helper.
   *
   * **Gotchas**: if the consumer stops early, fails or is interrupted, all running commands and their child processes are killed.
   *
   * @example
   * ```ts
   * import * as Effect from "effect/Effect"
   * import * as Stream from "effect/Stream"
   * import { TaskExec } from "task-exec"
   *
   * const reload = TaskExec.runAll({ selection: { services: ["web"] }, command: ["nginx", "-s", "reload"] }).pipe(
   *   Stream.runForEach((event) =>
   *     event._tag === "Ended" ? Effect.log(`${event.task.name}: ${event.result._tag}`) : Effect.void
   *   )
   * )
   * ```
   *
   * @category running
   * @since 0.1.0
   */
  static readonly runAll = (request: FleetRequest): Stream.Stream<FleetEvent, FleetError, TaskExec> =>
    Stream.unwrap(this.use((taskExec) => Effect.succeed(taskExec.runAll(request))))

  /**
   * Forwards local ports to a task until the scope closes. Completes when the ports are open and the connection to the task's network is
   * established.
   *
   * **Details**: fails with `CannotListen` if a local port is in use, before anything is created on the swarm. Later errors are in the
   * `events` of the result.
   *
   * @example
   * ```ts
   * import * as Effect from "effect/Effect"
   * import * as Stream from "effect/Stream"
   * import { TaskExec } from "task-exec"
   *
   * const program = TaskExec.forward({ target: "db", ports: [{ local: 5432, remote: 5432 }] }).pipe(
   *   Effect.flatMap(({ events }) => Stream.runDrain(events)),
   *   Effect.scoped
   * )
   * ```
   *
   * @category running
   * @since 0.2.0
   */
  static readonly forward = (
    request: ForwardRequest
  ): Effect.Effect<Forwarding, ForwardError, TaskExec | Scope.Scope> =>
    this.use((taskExec) => taskExec.forward(request))
}

/** Makes the service. It opens node connections with `connect`. */
export const makeTaskExec = Effect.fnUntraced(function* (
  connect: Connect
): Effect.fn.Return<TaskExec["Service"], never, Swarm | HelperImage> {
  // A run's spans belong to the caller of the run, not to the code that built the layer.
  const context = Context.omit(Tracer.ParentSpan)(yield* Effect.context<Swarm | HelperImage>())
  const streamChecked = (checked: Effect.Effect<CheckedRequest, RunError>): Stream.Stream<RunEvent, RunError> =>
    Stream.unwrap(Effect.flatMap(checked, (request) => openRun(connect, request))).pipe(
      withInventory,
      Stream.withSpan("TaskExec.stream"),
      Stream.provideContext(context)
    )
  const stream = (request: ExecRequest) => streamChecked(checkRequest(request))
  return TaskExec.of({
    stream,
    run: (request) => collect(stream(request)),
    open: (request) => openSession(request, stream),
    runAll: (request) => Stream.provideContext(runFleet(request, connect), context),
    forward: (request) => forwardPorts(request, (checked) => streamChecked(Effect.succeed(checked)))
  })
})
