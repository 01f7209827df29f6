/**
 * `task-exec/promise`: the library without Effect. Results are promises, events are async iterators, and an AbortSignal kills the
 * command. Errors are those of the library, with a `_tag`.
 *
 * @example
 * ```ts
 * import { connect } from "task-exec/promise"
 *
 * const swarm = await connect()
 * try {
 *   const { exitCode, stdout } = await swarm.run({ target: "web.2", command: ["hostname"] })
 *   for await (const event of swarm.stream({ target: "web.2", command: ["./migrate"] }, { signal: AbortSignal.timeout(60_000) })) {
 *     if (event._tag === "Stdout") process.stdout.write(event.data)
 *   }
 * } finally {
 *   await swarm.close()
 * }
 * ```
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { Audit, type AuditRecord } from "./audit/Audit.ts"
import type { ExecResult } from "./Collect.ts"
import { environmentWith } from "./engine/Environment.ts"
import type { FleetEvent } from "./fleet/FleetEvent.ts"
import type { FleetRequest } from "./fleet/FleetRequest.ts"
import type { FleetLogsRequest, FleetSignalRequest, LogsRequest, SignalRequest } from "./fleet/TaskActions.ts"
import type { ForwardEvent, Forwarding, ForwardRequest } from "./forward/Forwarding.ts"
import { printable } from "./internal/Printable.ts"
import type { RunEvent } from "./Run.ts"
import type { ExecRequest } from "./request/ExecRequest.ts"
import { TaskExec } from "./TaskExec.ts"

export { type Aftermath, aftermathOf, isNothingRun, isRetryable } from "./Aftermath.ts"
export { isTaskExecError, type TaskExecError } from "./TaskExecError.ts"
export type {
  AuditRecord,
  ExecResult,
  FleetEvent,
  FleetLogsRequest,
  FleetSignalRequest,
  ForwardEvent,
  ForwardRequest,
  LogsRequest,
  RunEvent,
  SignalRequest
}

/**
 * The input of a command: a text, bytes, or chunks of bytes (a Node stream, an async generator).
 *
 * @category requests
 * @since 0.1.0
 */
export type Input = string | Uint8Array | AsyncIterable<Uint8Array>

/**
 * An `ExecRequest` without the parts that need Effect. For a terminal, use `TaskExec.open`.
 *
 * @category requests
 * @since 0.1.0
 */
export type RunRequest = Omit<ExecRequest, "signals" | "stdin" | "tty"> & { readonly stdin?: Input }

/**
 * A `FleetRequest` without the parts that need Effect.
 *
 * @category requests
 * @since 0.1.0
 */
export type RunAllRequest = Omit<FleetRequest, "signals" | "stdin"> & { readonly stdin?: Input }

/**
 * Options of every call.
 *
 * @category requests
 * @since 0.1.0
 */
export interface CallOptions {
  /**
   * Aborting this signal kills the command and all its child processes. After everything that was created for the command is removed, the
   * promise rejects, or the iterator throws, with the signal's reason.
   */
  readonly signal?: AbortSignal
}

/**
 * Options of {@link connect}.
 *
 * @category requests
 * @since 0.1.0
 */
export interface ConnectOptions {
  /** Address of a manager, or of several, separated by commas. Default: from the environment (`DOCKER_HOST`, context). */
  readonly host?: string
  /** The helper's image. Default: the one that `HelperImage.layer` finds. */
  readonly image?: string
  /** Receives each warning as a line; default: `process.emitWarning`. */
  readonly onWarning?: (text: string) => void
  /** Receives the audit record of each command. An exception becomes a warning. */
  readonly onAudit?: (record: AuditRecord) => void
}

/**
 * A swarm to run commands in. {@link connect} returns it.
 *
 * **Details**: promises reject with, and iterators throw, the errors of the library.
 *
 * @category services
 * @since 0.1.0
 */
export interface Swarm {
  /** Runs a command, and returns its exit code and its output (at most 64 MiB). */
  readonly run: (request: RunRequest, options?: CallOptions) => Promise<ExecResult>
  /** Returns the events of a command. Leaving the loop early kills the command. */
  readonly stream: (request: RunRequest, options?: CallOptions) => AsyncIterable<RunEvent>
  /** Runs a command in many tasks. The result of each is in its `Ended` event. */
  readonly runAll: (request: RunAllRequest, options?: CallOptions) => AsyncIterable<FleetEvent>
  /**
   * Forwards local ports to a task until `close` of the result is called or the signal is aborted. Resolves when the ports are open and the
   * connection to the task's network is established.
   */
  readonly forward: (request: ForwardRequest, options?: CallOptions) => Promise<PortForward>
  /** Returns the log of a task: see `TaskExec.logs`. Leaving the loop early stops reading. */
  readonly logs: (request: LogsRequest, options?: CallOptions) => AsyncIterable<RunEvent>
  /** Returns the logs of many tasks: see `TaskExec.logsAll`. */
  readonly logsAll: (request: FleetLogsRequest, options?: CallOptions) => AsyncIterable<FleetEvent>
  /** Sends a signal to the main process of a task: see `TaskExec.signal`. */
  readonly signal: (request: SignalRequest, options?: CallOptions) => Promise<void>
  /** Sends a signal to the main processes of many tasks: see `TaskExec.signalAll`. */
  readonly signalAll: (request: FleetSignalRequest, options?: CallOptions) => AsyncIterable<FleetEvent>
  /** Closes the connections. */
  readonly close: () => Promise<void>
}

/**
 * Ports that are forwarded.
 *
 * @category forwarding
 * @since 0.2.0
 */
export interface PortForward extends Pick<Forwarding, "ports" | "route" | "task"> {
  /** The events. The iterator throws when forwarding ends by itself. Iterate it once. */
  readonly events: AsyncIterable<ForwardEvent>
  /** Ends forwarding, and resolves when everything that was created for it is removed. */
  readonly close: () => Promise<void>
}

/**
 * Returns a swarm, and connects to it on first use. Rejects with `InvalidEndpoint` if the address is invalid.
 *
 * **Gotchas**: call `close` of the swarm when you are done.
 *
 * @example
 * ```ts
 * import { connect } from "task-exec/promise"
 *
 * const swarm = await connect({ host: "ssh://manager-1" })
 * try {
 *   const { exitCode } = await swarm.run({ target: "web.2", command: ["true"] }, { signal: AbortSignal.timeout(60_000) })
 *   console.log(exitCode)
 * } finally {
 *   await swarm.close()
 * }
 * ```
 *
 * @category running
 * @since 0.1.0
 */
export const connect = async (options: ConnectOptions = {}): Promise<Swarm> => {
  const runtime = ManagedRuntime.make(layerOf(options))
  const context = await runtime.context()
  const iterate = <A, E>(stream: Stream.Stream<A, E, TaskExec>, { signal }: CallOptions = {}): AsyncIterable<A> =>
    Stream.toAsyncIterableWith(signal === undefined ? stream : Stream.interruptWhen(stream, aborted(signal)), context)
  const settle = <A, E>(result: Effect.Effect<A, E, TaskExec>, { signal }: CallOptions = {}): Promise<A> =>
    runtime.runPromise(signal === undefined ? result : Effect.raceFirst(result, aborted(signal)))
  return {
    run: ({ stdin, ...request }, call) => settle(TaskExec.run({ ...request, ...inputOf(stdin) }), call),
    stream: ({ stdin, ...request }, call) => iterate(TaskExec.stream({ ...request, ...inputOf(stdin) }), call),
    runAll: ({ stdin, ...request }, call) => iterate(TaskExec.runAll({ ...request, ...inputOf(stdin) }), call),
    forward: async (request, { signal } = {}) => {
      const scope = Scope.makeUnsafe()
      const close = () => Effect.runPromise(Scope.close(scope, Exit.void))
      const opened = Scope.provide(TaskExec.forward(request), scope)
      const forwarding = await runtime
        .runPromise(signal === undefined ? opened : Effect.raceFirst(opened, aborted(signal)))
        .catch(async (error: unknown) => {
          await close()
          throw error
        })
      signal?.addEventListener("abort", () => void close(), { once: true })
      const { events, ports, route, task } = forwarding
      return { task, route, ports, events: iterate(events, { ...(signal === undefined ? {} : { signal }) }), close }
    },
    logs: (request, call) => iterate(TaskExec.logs(request), call),
    logsAll: (request, call) => iterate(TaskExec.logsAll(request), call),
    signal: (request, call) => settle(TaskExec.signal(request), call),
    signalAll: (request, call) => iterate(TaskExec.signalAll(request), call),
    close: () => runtime.dispose()
  }
}

/** Emits a warning, which Node prints on stderr. Its text may come from an engine. */
const warn = (text: string) => process.emitWarning(printable(text))

const layerOf = ({ host, image, onAudit, onWarning = warn }: ConnectOptions) => {
  const environment = environmentWith({
    ...(host === undefined ? {} : { DOCKER_HOST: host }),
    ...(image === undefined ? {} : { TASK_EXEC_IMAGE: image })
  })
  const warnings = Logger.layer([
    Logger.make(({ message }) => onWarning((Array.isArray(message) ? message : [message]).map(String).join(" ")))
  ])
  const audit = Layer.succeed(Audit, onAudit === undefined ? undefined : { record: recordWith(onAudit) })
  return TaskExec.layer.pipe(Layer.provideMerge(Layer.mergeAll(warnings, environment, audit)))
}

const recordWith = (onAudit: (record: AuditRecord) => void) => (record: AuditRecord) =>
  Effect.try({ try: () => onAudit(record), catch: (error) => error }).pipe(
    Effect.catch((error) =>
      Effect.logWarning(`onAudit failed: ${error instanceof Error ? error.message : String(error)}`)
    )
  )

/** Fails with the signal's reason when it is aborted. */
const aborted = (signal: AbortSignal): Effect.Effect<never, unknown> =>
  Effect.callback((resume) => {
    const onAbort = () => resume(Effect.fail(signal.reason))
    if (signal.aborted) return onAbort()
    signal.addEventListener("abort", onAbort, { once: true })
    return Effect.sync(() => signal.removeEventListener("abort", onAbort))
  })

/** Converts the input. If its iterator throws, the run dies with that exception. */
const inputOf = (input: Input | undefined): { readonly stdin?: Stream.Stream<Uint8Array> } => {
  if (input === undefined) return {}
  if (typeof input === "string") return { stdin: Stream.make(new TextEncoder().encode(input)) }
  if (input instanceof Uint8Array) return { stdin: Stream.make(input) }
  return { stdin: Stream.orDie(Stream.fromAsyncIterable(input, (cause) => cause)) }
}
