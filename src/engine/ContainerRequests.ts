/** The requests about containers. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { Demux, DemuxError } from "./Demux.ts"
import { EngineError, type EngineFailure, type EngineUnreachable, UnexpectedReply } from "./EngineErrors.ts"
import * as Api from "./EngineSchemas.ts"
import { fromReadable } from "./fromReadable.ts"
import { awaitLeader } from "./internal/Managers.ts"
import { type EngineRequestContext, list, ofEngine, segment } from "./internal/RequestContext.ts"
import { type TwoWay, twoWay } from "./internal/twoWay.ts"
import type * as Bodies from "./RequestBodies.ts"
import type { Filters } from "./SwarmRequests.ts"

/** The log of a container. */
export interface ContainerLogs {
  readonly stdout: Uint8Array
  readonly stderr: Uint8Array
  /** Whether the log exceeds the limit. `stdout` and `stderr` then hold its start. */
  readonly truncated: boolean
}

/** The lines of a container's log to read. */
export interface ContainerLogOptions {
  /** Continue with new lines until the container ends. */
  readonly follow: boolean
  /** The most lines from the end of the log. */
  readonly tail?: number | undefined
  /** `SECONDS.NANOSECONDS` since 1970. */
  readonly since?: string | undefined
  readonly until?: string | undefined
  /** Put a time and a space before each line. */
  readonly timestamps: boolean
}

/** A two-way connection to a container's main process. It closes with the scope in which it was opened. */
export type ContainerConnection = TwoWay<EngineUnreachable>

/** The methods of `DockerEngine` about containers. */
export interface ContainerRequests {
  readonly inspectContainer: (id: string) => Effect.Effect<Api.Container, EngineFailure>
  readonly listContainers: (
    filters: Filters,
    options: {
      /** Include containers that do not run. */
      readonly all: boolean
      /** Only this many of the newest containers, including those that do not run. */
      readonly limit?: number
    }
  ) => Effect.Effect<ReadonlyArray<Api.ContainerSummary>, EngineFailure>
  readonly createContainer: (container: {
    readonly name?: string
    readonly config: Bodies.ContainerCreate
  }) => Effect.Effect<{ readonly id: string; readonly warnings: ReadonlyArray<string> }, EngineFailure>
  readonly startContainer: (id: string) => Effect.Effect<void, EngineFailure>
  /**
   * Connects to a container's main process. `output` is multiplexed, unless the container has a TTY. With `StdinOnce`, the container's
   * stdin ends when the connection ends, even if the connection breaks.
   */
  readonly attachContainer: (id: string) => Effect.Effect<ContainerConnection, EngineFailure, Scope.Scope>
  /** Waits without a timeout until the container has ended. Returns its exit code. */
  readonly waitContainer: (id: string) => Effect.Effect<number, EngineFailure>
  /** Reads the log of a container without a TTY, up to `limit` bytes (default 1 MiB). */
  readonly containerLogs: (
    id: string,
    options?: { readonly limit?: number; readonly tail?: number }
  ) => Effect.Effect<ContainerLogs, EngineFailure>
  /**
   * Reads the log of a container with backpressure. The container may have ended. The stream is multiplexed, unless the container has a
   * TTY. Fails with `EngineError`, status 501, if the engine can't read the container's log. Run the stream once, in the scope in which it
   * was opened.
   */
  readonly readContainerLog: (
    id: string,
    options: ContainerLogOptions
  ) => Effect.Effect<Stream.Stream<Uint8Array, EngineUnreachable>, EngineFailure, Scope.Scope>
  readonly removeContainer: (id: string, options: { readonly force: boolean }) => Effect.Effect<void, EngineFailure>
  /** Sends a signal: "TERM", "SIGKILL", "9". */
  readonly killContainer: (id: string, signal: string) => Effect.Effect<void, EngineFailure>

  /**
   * Returns the last 256 events, which the engine keeps, oldest first. `now`: the engine's time in Unix milliseconds. Without it, this
   * requests the engine's time, which takes about 10 ms.
   */
  readonly pastEvents: (filters: Filters, now?: number) => Effect.Effect<ReadonlyArray<Api.Event>, EngineFailure>
}

const mebibyte = 1024 * 1024

/** A busy engine 20.10 needs about 15 seconds to start a container on an overlay network. */
const startTimeout = Duration.seconds(60)

/** Converts the engine's time, RFC 3339 with nanoseconds, to the form that `GET /events` takes: `SECONDS.NANOSECONDS`. */
const unixTime = (time: string): string => {
  const nanos = (/\.(\d{1,9})/.exec(time)?.[1] ?? "").padEnd(9, "0")
  return `${Math.floor(Date.parse(time) / 1000)}.${nanos}`
}

const decodeEvents = Schema.decodeUnknownEffect(Schema.Array(Schema.fromJsonString(Api.Event)))

/** Returns the requests about containers by this client. `info` has the engine's time. */
export const containerRequests = (
  { client, engine }: EngineRequestContext,
  info: Effect.Effect<Api.Info, EngineFailure>
): ContainerRequests => {
  const { host } = client
  const containers = list(client, Api.ContainerSummary)
  const container = client.json(Api.Container)
  const containerCreated = client.json(Api.ContainerCreated)
  const containerWaited = client.json(Api.ContainerWaited)

  const openLog = Effect.fnUntraced(function* (id: string, lines: Partial<ContainerLogOptions>) {
    const operation = `read the log of container ${id}`
    const response = yield* client.stream({
      ...engine,
      operation,
      method: "GET",
      path: `/containers/${segment(id)}/logs`,
      query: { stdout: true, stderr: true, ...lines }
    })
    return yield* fromReadable(response, client.broken(operation))
  })

  return {
    inspectContainer: (id) =>
      container({
        ...engine,
        operation: `inspect container ${id}`,
        method: "GET",
        path: `/containers/${segment(id)}/json`
      }).pipe(ofEngine),
    listContainers: (filters, { all, limit }) =>
      containers({
        ...engine,
        operation: "list containers",
        method: "GET",
        path: "/containers/json",
        query: { all, limit, filters }
      }).pipe(ofEngine),
    createContainer: ({ name, config }) =>
      containerCreated({
        ...engine,
        operation: name === undefined ? "create a container" : `create container ${name}`,
        method: "POST",
        path: "/containers/create",
        query: { name },
        body: config
      }).pipe(
        Effect.map(({ Id, Warnings }) => ({ id: Id, warnings: Warnings })),
        ofEngine
      ),
    attachContainer: (id) =>
      client
        .hijack({
          ...engine,
          operation: `attach to container ${id}`,
          method: "POST",
          path: `/containers/${segment(id)}/attach`,
          query: { stream: true, stdin: true, stdout: true, stderr: true }
        })
        .pipe(
          Effect.flatMap((socket) => twoWay(socket, client.broken(`stay connected to container ${id}`))),
          ofEngine
        ),
    startContainer: (id) =>
      client
        .request({
          timeout: startTimeout,
          operation: `start container ${id}`,
          method: "POST",
          path: `/containers/${segment(id)}/start`
        })
        .pipe(
          // A container that joins an overlay network needs the swarm's leader.
          awaitLeader,
          Effect.asVoid,
          ofEngine
        ),
    waitContainer: (id) => {
      const operation = `wait for container ${id}`
      return containerWaited({
        timeout: Duration.infinity,
        operation,
        method: "POST",
        path: `/containers/${segment(id)}/wait`
      }).pipe(
        Effect.flatMap(({ StatusCode, Error }) =>
          Error === undefined
            ? Effect.succeed(StatusCode)
            : Effect.fail(new EngineError({ host, operation, status: 200, text: Error.Message }))
        ),
        ofEngine
      )
    },
    containerLogs: (id, { limit = mebibyte, tail } = {}) => {
      const operation = `read the log of container ${id}`
      return openLog(id, { tail }).pipe(
        Effect.flatMap((output) => gather(output, limit)),
        Effect.timeoutOrElse({
          duration: engine.timeout,
          orElse: () => Effect.fail(client.timedOut(operation, engine.timeout))
        }),
        Effect.catchDefect((defect) =>
          defect instanceof DemuxError
            ? Effect.fail(new UnexpectedReply({ host, operation, detail: defect.message }))
            : Effect.die(defect)
        ),
        Effect.scoped,
        ofEngine
      )
    },
    readContainerLog: (id, lines) => ofEngine(openLog(id, lines)),
    removeContainer: (id, { force }) =>
      client
        .request({
          ...engine,
          operation: `remove container ${id}`,
          method: "DELETE",
          path: `/containers/${segment(id)}`,
          query: { force, v: true }
        })
        .pipe(Effect.asVoid, ofEngine),
    killContainer: (id, signal) =>
      client
        .request({
          ...engine,
          operation: `send ${signal} to container ${id}`,
          method: "POST",
          path: `/containers/${segment(id)}/kill`,
          query: { signal }
        })
        .pipe(Effect.asVoid, ofEngine),

    pastEvents: Effect.fnUntraced(function* (filters, now) {
      const operation = "list past events"
      // The present by the engine's clock. With a later time, the engine would wait until then.
      const until = now === undefined ? unixTime((yield* info).SystemTime) : (now / 1000).toFixed(3)
      const query = { since: 1, until, filters }
      const lines = yield* client
        .request({ ...engine, operation, method: "GET", path: "/events", query })
        .pipe(ofEngine)
      return yield* decodeEvents(
        lines
          .toString("utf8")
          .split("\n")
          .filter((line) => line !== "")
      ).pipe(Effect.mapError(({ message }) => new UnexpectedReply({ host, operation, detail: message })))
    })
  }
}

const gather = Effect.fnUntraced(function* <E>(
  output: Stream.Stream<Uint8Array, E>,
  limit: number
): Effect.fn.Return<ContainerLogs, E> {
  const demux = new Demux()
  const texts = { stdout: [] as Uint8Array[], stderr: [] as Uint8Array[] }
  let left = limit
  let truncated = false
  yield* output.pipe(
    Stream.takeUntil((chunk) => {
      for (const { channel, data } of demux.push(chunk)) {
        const kept = data.subarray(0, left)
        truncated ||= kept.length < data.length
        left -= kept.length
        texts[channel === "stdout" ? "stdout" : "stderr"].push(kept)
      }
      return truncated
    }),
    Stream.runDrain
  )
  if (!truncated) demux.end()
  return { stdout: Buffer.concat(texts.stdout), stderr: Buffer.concat(texts.stderr), truncated }
})
