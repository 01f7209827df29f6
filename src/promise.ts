/**
 * `task-exec/promise`: the library for those who don't use Effect. Results are promises, events async iterators, and an
 * AbortSignal ends what is running. Errors are the library's own, told apart by their `_tag`.
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
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Stream from "effect/Stream"
import { Audit, type AuditRecord } from "./audit/Audit.ts"
import type { ExecResult } from "./Collect.ts"
import { environmentWith } from "./engine/Environment.ts"
import type { FleetRequest } from "./fleet/Fleet.ts"
import type { FleetEvent } from "./fleet/FleetEvent.ts"
import type { RunEvent } from "./Run.ts"
import type { ExecRequest } from "./request/ExecRequest.ts"
import { TaskExec } from "./TaskExec.ts"

export type { AuditRecord, ExecResult, FleetEvent, RunEvent }

/** What a command reads: a text, bytes, or bytes as they come (a Node stream, an async generator). */
export type Input = string | Uint8Array | AsyncIterable<Uint8Array>

/** An `ExecRequest` without what needs Effect; see there for each part. For a terminal, use `TaskExec.open`. */
export type RunRequest = Omit<ExecRequest, "signals" | "stdin" | "tty"> & { readonly stdin?: Input }

/** A `FleetRequest` likewise. */
export type RunAllRequest = Omit<FleetRequest, "signals" | "stdin"> & { readonly stdin?: Input }

/** What every call takes. */
export interface CallOptions {
  /**
   * Ends the command, with everything that it started. The promise is rejected, and the iterator throws, with the signal's
   * reason, as soon as that is done and nothing is left.
   */
  readonly signal?: AbortSignal
}

/** Which swarm, and with what. */
export interface ConnectOptions {
  /** Address of a manager, or of several with commas between; default: what the environment names (`DOCKER_HOST`, context). */
  readonly host?: string
  /** The helper's image; default: `TASK_EXEC_IMAGE`. */
  readonly image?: string
  /** What is told of warnings, a line each; default: `process.emitWarning`. */
  readonly onWarning?: (text: string) => void
  /** Is told what was run in which task, and how it ended. What it throws is a warning. */
  readonly onAudit?: (record: AuditRecord) => void
}

/** A swarm to run commands in. */
export interface Swarm {
  /** Runs a command to its end, and gives its exit code and its output (64 MiB at most). */
  readonly run: (request: RunRequest, options?: CallOptions) => Promise<ExecResult>
  /** The events of a command as they happen. Leaving the loop early ends the command. */
  readonly stream: (request: RunRequest, options?: CallOptions) => AsyncIterable<RunEvent>
  /** Runs a command in many tasks; what becomes of each is in its `Ended` event. */
  readonly runAll: (request: RunAllRequest, options?: CallOptions) => AsyncIterable<FleetEvent>
  /** Closes the connections. */
  readonly close: () => Promise<void>
}

/** Connects on use, not before. Rejects with `InvalidEndpoint` where the address is none. */
export const connect = async (options: ConnectOptions = {}): Promise<Swarm> => {
  const runtime = ManagedRuntime.make(layerOf(options))
  const context = await runtime.context()
  const iterate = <A, E>(stream: Stream.Stream<A, E, TaskExec>, { signal }: CallOptions = {}): AsyncIterable<A> =>
    Stream.toAsyncIterableWith(signal === undefined ? stream : Stream.interruptWhen(stream, aborted(signal)), context)
  return {
    run: ({ stdin, ...request }, { signal } = {}) => {
      const result = TaskExec.run({ ...request, ...inputOf(stdin) })
      return runtime.runPromise(signal === undefined ? result : Effect.raceFirst(result, aborted(signal)))
    },
    stream: ({ stdin, ...request }, call) => iterate(TaskExec.stream({ ...request, ...inputOf(stdin) }), call),
    runAll: ({ stdin, ...request }, call) => iterate(TaskExec.runAll({ ...request, ...inputOf(stdin) }), call),
    close: () => runtime.dispose()
  }
}

const layerOf = ({ host, image, onAudit, onWarning = (text) => process.emitWarning(text) }: ConnectOptions) => {
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
    Effect.catch((error) => Effect.logWarning(`onAudit: ${error instanceof Error ? error.message : String(error)}`))
  )

/** Fails with the signal's reason when it is aborted. */
const aborted = (signal: AbortSignal): Effect.Effect<never, unknown> =>
  Effect.callback((resume) => {
    const onAbort = () => resume(Effect.fail(signal.reason))
    if (signal.aborted) return onAbort()
    signal.addEventListener("abort", onAbort, { once: true })
    return Effect.sync(() => signal.removeEventListener("abort", onAbort))
  })

/** What an iterator throws is thrown on. */
const inputOf = (input: Input | undefined): { readonly stdin?: Stream.Stream<Uint8Array> } => {
  if (input === undefined) return {}
  if (typeof input === "string") return { stdin: Stream.make(new TextEncoder().encode(input)) }
  if (input instanceof Uint8Array) return { stdin: Stream.make(input) }
  return { stdin: Stream.orDie(Stream.fromAsyncIterable(input, (cause) => cause)) }
}
