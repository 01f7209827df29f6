/**
 * The Docker Engine API, as far as we use it, as an Effect service.
 */
import type * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { Demux, DemuxError } from "./Demux.ts"
import { type Endpoint, type Endpoints, fromEnvironment } from "./Endpoint.ts"
import {
  EngineError,
  type EngineFailure,
  type EngineUnreachable,
  type InvalidEndpoint,
  NotSwarmManager,
  type SwarmFailure,
  UnexpectedReply
} from "./EngineErrors.ts"
import * as Api from "./EngineSchemas.ts"
import { makeEngineClient, type Request } from "./internal/EngineClient.ts"
import { fromReadable } from "./internal/fromReadable.ts"
import { type ManagersClient, overManagers } from "./internal/Managers.ts"
import { twoWay } from "./internal/twoWay.ts"

/** The engine's filters: by key, any of the values. Sent as they are: `{ service: ["web"], "desired-state": ["running"] }`. */
export type Filters = Readonly<Record<string, ReadonlyArray<string>>>

/**
 * How the bytes of an output are laid out: `raw` as the program wrote them (with a TTY), or `multiplexed`, in records of
 * 8 bytes header (stream 1 or 2, 3 for the engine's own errors; length as big-endian 32 bits at offset 4) and data.
 */
export type Framing = "raw" | "multiplexed"

/** Which part of a service's log to read. */
export interface ServiceLogsOptions {
  /** Go on as new lines come in. Such a stream never ends by itself, not even with the service's last task. */
  readonly follow: boolean
  /** Only lines since then: seconds since 1970, fractions allowed. */
  readonly since?: number
  /** Only that many of the last lines. */
  readonly tail?: number
}

/** An open, two-way connection to a running exec. It is closed with the Scope in which it was opened. */
export interface ExecConnection {
  /** Of `output`. Follows from `tty`: engines before API 1.42 do not say. */
  readonly framing: Framing
  /**
   * Everything that the command writes, pulled: while nobody pulls, the engine has to wait. Ends when the engine closes its
   * side. To be run once.
   */
  readonly output: Stream.Stream<Uint8Array, EngineUnreachable>
  /** Write to the command's stdin; done when the bytes are on their way to the engine. One write at a time. */
  readonly write: (chunk: Uint8Array) => Effect.Effect<void, EngineUnreachable>
  /** End the command's stdin. Its output goes on. */
  readonly endInput: Effect.Effect<void, EngineUnreachable>
}

/** What a container has written so far. */
export interface ContainerLogs {
  readonly stdout: Uint8Array
  readonly stderr: Uint8Array
  /** Was there more than the limit? Then this is its beginning. */
  readonly truncated: boolean
}

/** The methods of `DockerEngine`. */
export interface DockerEngineShape {
  /** Whom we talk to, for messages: `unix:///var/run/docker.sock`, `ssh://user@host`. Never holds a password. */
  readonly host: string
  /**
   * The engine that answered last, and it alone: for what only one engine knows, its containers and execs, where another
   * manager would say that there is no such thing.
   */
  readonly alone: Effect.Effect<DockerEngineShape>
  readonly info: Effect.Effect<Api.Info, EngineFailure>
  readonly version: Effect.Effect<Api.EngineVersion, EngineFailure>

  readonly listTasks: (filters: Filters) => Effect.Effect<ReadonlyArray<Api.Task>, SwarmFailure>
  readonly inspectTask: (id: string) => Effect.Effect<Api.Task, SwarmFailure>
  readonly listServices: (filters: Filters) => Effect.Effect<ReadonlyArray<Api.Service>, SwarmFailure>
  readonly inspectService: (id: string) => Effect.Effect<Api.Service, SwarmFailure>
  /** `registryAuth`: what goes as it is into the header X-Registry-Auth (base64url of a JSON object). */
  readonly createService: (
    spec: Api.ServiceSpec,
    registryAuth?: string
  ) => Effect.Effect<{ readonly id: string; readonly warnings: ReadonlyArray<string> }, SwarmFailure>
  /**
   * Gives the service this specification; what it leaves out becomes the engine's default, not what it was. `version` is
   * the service's `Version.Index` that the change is based on: an `EngineError` if it is not the current one.
   */
  readonly updateService: (id: string, version: number, spec: Api.ServiceSpec) => Effect.Effect<void, SwarmFailure>
  readonly removeService: (id: string) => Effect.Effect<void, SwarmFailure>
  /** stdout and stderr, multiplexed (unless the service has a TTY). To be run once, in the Scope in which it was opened. */
  readonly serviceLogs: (
    id: string,
    options: ServiceLogsOptions
  ) => Effect.Effect<Stream.Stream<Uint8Array, EngineUnreachable>, SwarmFailure, Scope.Scope>
  readonly listNodes: (filters?: Filters) => Effect.Effect<ReadonlyArray<Api.Node>, SwarmFailure>
  readonly inspectNode: (id: string) => Effect.Effect<Api.Node, SwarmFailure>
  /** Gives the new secret's ID. */
  readonly createSecret: (secret: {
    readonly name: string
    readonly labels: Readonly<Record<string, string>>
    /** Up to 500 KB. */
    readonly data: Uint8Array
  }) => Effect.Effect<string, SwarmFailure>
  readonly inspectSecret: (id: string) => Effect.Effect<Api.Secret, SwarmFailure>
  /** Gives the secret these labels: nothing else of one can change. `version` is the `Version.Index` it is based on. */
  readonly updateSecret: (
    id: string,
    version: number,
    secret: { readonly name: string; readonly labels: Readonly<Record<string, string>> }
  ) => Effect.Effect<void, SwarmFailure>
  readonly removeSecret: (id: string) => Effect.Effect<void, SwarmFailure>
  readonly listSecrets: (filters: Filters) => Effect.Effect<ReadonlyArray<Api.Secret>, SwarmFailure>
  readonly listNetworks: (filters: Filters) => Effect.Effect<ReadonlyArray<Api.Network>, EngineFailure>

  readonly inspectContainer: (id: string) => Effect.Effect<Api.Container, EngineFailure>
  readonly listContainers: (
    filters: Filters,
    options: {
      /** Those that do not run, too. */
      readonly all: boolean
    }
  ) => Effect.Effect<ReadonlyArray<Api.ContainerSummary>, EngineFailure>
  readonly createContainer: (container: {
    readonly name?: string
    readonly config: Api.ContainerCreate
  }) => Effect.Effect<{ readonly id: string; readonly warnings: ReadonlyArray<string> }, EngineFailure>
  readonly startContainer: (id: string) => Effect.Effect<void, EngineFailure>
  /** Waits, for as long as it takes, until the container does not run, and gives its exit code. */
  readonly waitContainer: (id: string) => Effect.Effect<number, EngineFailure>
  /** What a container without TTY has written so far, up to `limit` bytes (1 MiB when not given). */
  readonly containerLogs: (
    id: string,
    options?: { readonly limit?: number }
  ) => Effect.Effect<ContainerLogs, EngineFailure>
  readonly removeContainer: (id: string, options: { readonly force: boolean }) => Effect.Effect<void, EngineFailure>
  /** `signal`: "TERM", "SIGKILL", "9". */
  readonly killContainer: (id: string, signal: string) => Effect.Effect<void, EngineFailure>

  /** What the engine still knows of what happened, oldest first: it keeps the last 256 events. */
  readonly pastEvents: (filters: Filters) => Effect.Effect<ReadonlyArray<Api.Event>, EngineFailure>

  /** By tag, digest or ID. */
  readonly inspectImage: (ref: string) => Effect.Effect<Api.Image, EngineFailure>

  readonly listImages: (filters: Filters) => Effect.Effect<ReadonlyArray<Api.ImageSummary>, EngineFailure>
  /** Pulls `name:tag` or `name@digest` from its registry; done when the engine has it. */
  readonly pullImage: (ref: string) => Effect.Effect<void, EngineFailure>

  /** Gives the exec's ID. */
  readonly createExec: (containerId: string, exec: Api.ExecCreate) => Effect.Effect<string, EngineFailure>
  /** Start it and stay connected. `tty` must be what `createExec` was told. */
  readonly startExec: (
    id: string,
    options: { readonly tty: boolean }
  ) => Effect.Effect<ExecConnection, EngineFailure, Scope.Scope>
  /** Start it and let it run by itself. */
  readonly startExecDetached: (id: string, options: { readonly tty: boolean }) => Effect.Effect<void, EngineFailure>
  readonly inspectExec: (id: string) => Effect.Effect<Api.ExecInspect, EngineFailure>
  readonly resizeExec: (
    id: string,
    size: { readonly w: number; readonly h: number }
  ) => Effect.Effect<void, EngineFailure>
}

/** How long the pull of an image may take. */
const pullTimeout = Duration.minutes(5)

/** How long to wait for answers. */
export interface DockerEngineOptions {
  /** For what the engine does itself (20 seconds when not given). */
  readonly engineTimeout?: Duration.Input
  /** For what it asks of the swarm (30 seconds). */
  readonly swarmTimeout?: Duration.Input
}

/** A Docker engine: the one that we talk to. */
export class DockerEngine extends Context.Service<DockerEngine, DockerEngineShape>()("task-exec/DockerEngine") {
  /** The engine at this address. Connects on use, not before; the connections end with the layer. */
  static readonly layerFor = (
    endpoint: Endpoint,
    options: DockerEngineOptions = {}
  ): Layer.Layer<DockerEngine, InvalidEndpoint> => DockerEngine.layerForAny([endpoint], options)

  /**
   * Any of these managers of one swarm: the next one is asked when one can't be reached. A request that may have been
   * acted on is not sent a second time.
   */
  static readonly layerForAny = (
    endpoints: Endpoints,
    options: DockerEngineOptions = {}
  ): Layer.Layer<DockerEngine, InvalidEndpoint> => Layer.effect(DockerEngine, make(endpoints, options))

  /**
   * The engine that the environment names: DOCKER_HOST (or several, with commas between), DOCKER_TLS_VERIFY,
   * DOCKER_CERT_PATH.
   */
  static readonly layer: Layer.Layer<DockerEngine, InvalidEndpoint | Config.ConfigError> = Layer.unwrap(
    Effect.map(fromEnvironment(), (endpoints) => DockerEngine.layerForAny(endpoints))
  )
}

const mebibyte = 1024 * 1024

/** A time of the engine's, RFC 3339 with nanoseconds, as its questions about events want it: `SECONDS.NANOSECONDS`. */
const unixTime = (time: string): string => {
  const nanos = (/\.(\d{1,9})/.exec(time)?.[1] ?? "").padEnd(9, "0")
  return `${Math.floor(Date.parse(time) / 1000)}.${nanos}`
}

const decodeEvents = Schema.decodeUnknownEffect(Schema.Array(Schema.fromJsonString(Api.Event)))

/** One segment of a path: what is in a name stays in the name. */
const segment = encodeURIComponent

const make = Effect.fnUntraced(function* (
  [first, ...others]: Endpoints,
  options: DockerEngineOptions
): Effect.fn.Return<DockerEngineShape, InvalidEndpoint, Scope.Scope> {
  return shapeOf(
    overManagers([
      yield* makeEngineClient(first),
      ...(yield* Effect.forEach(others, (endpoint) => makeEngineClient(endpoint)))
    ]),
    options
  )
})

const shapeOf = (client: ManagersClient, options: DockerEngineOptions): DockerEngineShape => {
  const { host } = client
  const engine = { timeout: Duration.fromInputUnsafe(options.engineTimeout ?? "20 seconds") }
  const swarm = { timeout: Duration.fromInputUnsafe(options.swarmTimeout ?? "30 seconds") }

  const info = client
    .json(Api.Info)({ ...engine, operation: "describe itself", method: "GET", path: "/info" })
    .pipe(ofEngine)

  /** A node that refuses because it is no manager is asked who it is and whom it knows, for the message. */
  const ofSwarm = <A, R>(effect: Effect.Effect<A, SwarmFailure, R>): Effect.Effect<A, SwarmFailure, R> =>
    Effect.catchTag(effect, "NotSwarmManager", (error) =>
      info.pipe(
        Effect.timeoutOption("2 seconds"),
        // It has refused: that is the error to tell, even if it does not say who it is.
        Effect.catch(() => Effect.succeedNone),
        Effect.flatMap((info) => Effect.fail(Option.isSome(info) ? introduced(error, info.value) : error))
      )
    )

  /** Go writes an empty list as `null` where nobody made one. */
  const list = <A, I>(schema: Schema.Codec<A, I>) => {
    const decoded = client.json(Schema.NullOr(Schema.Array(schema)))
    return (request: Request) => Effect.map(decoded(request), (items) => items ?? [])
  }
  const tasks = list(Api.Task)
  const task = client.json(Api.Task)
  const services = list(Api.Service)
  const service = client.json(Api.Service)
  const serviceCreated = client.json(Api.ServiceCreated)
  const nodes = list(Api.Node)
  const node = client.json(Api.Node)
  const secrets = list(Api.Secret)
  const secret = client.json(Api.Secret)
  const secretCreated = client.json(Api.SecretCreated)
  const networks = list(Api.Network)
  const containers = list(Api.ContainerSummary)
  const container = client.json(Api.Container)
  const containerCreated = client.json(Api.ContainerCreated)
  const containerWaited = client.json(Api.ContainerWaited)
  const image = client.json(Api.Image)
  const images = list(Api.ImageSummary)
  const execCreated = client.json(Api.ExecCreated)
  const execInspect = client.json(Api.ExecInspect)
  const engineVersion = client.json(Api.EngineVersion)

  return {
    host,
    alone: Effect.sync(() => shapeOf(overManagers([client.current()]), options)),
    info,
    version: engineVersion({ ...engine, operation: "tell its version", method: "GET", path: "/version" }).pipe(
      ofEngine
    ),

    listTasks: (filters) =>
      tasks({ ...swarm, operation: "list tasks", method: "GET", path: "/tasks", query: { filters } }).pipe(ofSwarm),
    inspectTask: (id) =>
      task({ ...swarm, operation: `inspect task ${id}`, method: "GET", path: `/tasks/${segment(id)}` }).pipe(ofSwarm),

    listServices: (filters) =>
      services({ ...swarm, operation: "list services", method: "GET", path: "/services", query: { filters } }).pipe(
        ofSwarm
      ),
    inspectService: (id) =>
      service({ ...swarm, operation: `inspect service ${id}`, method: "GET", path: `/services/${segment(id)}` }).pipe(
        ofSwarm
      ),
    createService: (spec, registryAuth) =>
      serviceCreated({
        ...swarm,
        operation: `create service ${spec.Name}`,
        method: "POST",
        path: "/services/create",
        body: spec,
        ...(registryAuth === undefined ? {} : { headers: { "X-Registry-Auth": registryAuth } })
      }).pipe(
        Effect.map(({ ID, Warnings, Warning }) => ({
          id: ID,
          warnings: Warning === "" ? Warnings : [...Warnings, Warning]
        })),
        ofSwarm
      ),
    updateService: (id, version, spec) =>
      client
        .request({
          ...swarm,
          operation: `update service ${id}`,
          method: "POST",
          path: `/services/${segment(id)}/update`,
          query: { version },
          body: spec
        })
        .pipe(Effect.asVoid, ofSwarm),
    removeService: (id) =>
      client
        .request({ ...swarm, operation: `remove service ${id}`, method: "DELETE", path: `/services/${segment(id)}` })
        .pipe(Effect.asVoid, ofSwarm),
    serviceLogs: (id, { follow, since, tail }) => {
      const operation = `read the log of service ${id}`
      return client
        .stream({
          ...swarm,
          operation,
          method: "GET",
          path: `/services/${segment(id)}/logs`,
          query: { stdout: true, stderr: true, follow, since, tail }
        })
        .pipe(
          Effect.flatMap((response) => fromReadable(response, client.broken(operation))),
          ofSwarm
        )
    },

    listNodes: (filters = {}) =>
      nodes({ ...swarm, operation: "list nodes", method: "GET", path: "/nodes", query: { filters } }).pipe(ofSwarm),
    inspectNode: (id) =>
      node({ ...swarm, operation: `inspect node ${id}`, method: "GET", path: `/nodes/${segment(id)}` }).pipe(ofSwarm),

    createSecret: ({ name, labels, data }) =>
      secretCreated({
        ...swarm,
        operation: `create secret ${name}`,
        method: "POST",
        path: "/secrets/create",
        body: { Name: name, Labels: labels, Data: Buffer.from(data).toString("base64") }
      }).pipe(
        Effect.map(({ ID }) => ID),
        ofSwarm
      ),
    inspectSecret: (id) =>
      secret({ ...swarm, operation: `inspect secret ${id}`, method: "GET", path: `/secrets/${segment(id)}` }).pipe(
        ofSwarm
      ),
    updateSecret: (id, version, { name, labels }) =>
      client
        .request({
          ...swarm,
          operation: `update secret ${name}`,
          method: "POST",
          path: `/secrets/${segment(id)}/update`,
          query: { version },
          body: { Name: name, Labels: labels }
        })
        .pipe(Effect.asVoid, ofSwarm),
    removeSecret: (id) =>
      client
        .request({ ...swarm, operation: `remove secret ${id}`, method: "DELETE", path: `/secrets/${segment(id)}` })
        .pipe(Effect.asVoid, ofSwarm),
    listSecrets: (filters) =>
      secrets({ ...swarm, operation: "list secrets", method: "GET", path: "/secrets", query: { filters } }).pipe(
        ofSwarm
      ),

    listNetworks: (filters) =>
      networks({ ...swarm, operation: "list networks", method: "GET", path: "/networks", query: { filters } }).pipe(
        ofEngine
      ),

    inspectContainer: (id) =>
      container({
        ...engine,
        operation: `inspect container ${id}`,
        method: "GET",
        path: `/containers/${segment(id)}/json`
      }).pipe(ofEngine),
    listContainers: (filters, { all }) =>
      containers({
        ...engine,
        operation: "list containers",
        method: "GET",
        path: "/containers/json",
        query: { all, filters }
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
    startContainer: (id) =>
      client
        .request({
          ...engine,
          operation: `start container ${id}`,
          method: "POST",
          path: `/containers/${segment(id)}/start`
        })
        .pipe(Effect.asVoid, ofEngine),
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
    containerLogs: (id, { limit = mebibyte } = {}) => {
      const operation = `read the log of container ${id}`
      return client
        .stream({
          ...engine,
          operation,
          method: "GET",
          path: `/containers/${segment(id)}/logs`,
          query: { stdout: true, stderr: true }
        })
        .pipe(
          Effect.flatMap((response) => fromReadable(response, client.broken(operation))),
          Effect.flatMap((output) => gather(output, limit)),
          Effect.timeoutOrElse({
            duration: engine.timeout,
            orElse: () => Effect.fail(client.noAnswer(operation, engine.timeout))
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

    pastEvents: (filters) =>
      Effect.gen(function* () {
        const operation = "list past events"
        // Up to now by the engine's own clock; to a later time it would wait.
        const query = { since: 1, until: unixTime((yield* info).SystemTime), filters }
        const lines = yield* client
          .request({ ...engine, operation, method: "GET", path: "/events", query })
          .pipe(ofEngine)
        return yield* decodeEvents(
          lines
            .toString("utf8")
            .split("\n")
            .filter((line) => line !== "")
        ).pipe(Effect.mapError(({ message }) => new UnexpectedReply({ host, operation, detail: message })))
      }),

    inspectImage: (ref) =>
      image({
        ...engine,
        operation: `inspect image ${ref}`,
        method: "GET",
        // The slashes of a repository are slashes of the path.
        path: `/images/${ref.split("/").map(segment).join("/")}/json`
      }).pipe(ofEngine),
    listImages: (filters) =>
      images({ ...engine, operation: "list images", method: "GET", path: "/images/json", query: { filters } }).pipe(
        ofEngine
      ),
    pullImage: (ref) => {
      const operation = `pull image ${ref}`
      // The answer tells of the progress and says 200 whatever comes of it; an error is one of its lines.
      return client
        .request({
          timeout: pullTimeout,
          operation,
          method: "POST",
          path: "/images/create",
          // Without a tag the engine would pull all of them.
          query: { fromImage: /@|:[^/]*$/.test(ref) ? ref : `${ref}:latest` }
        })
        .pipe(
          ofEngine,
          Effect.flatMap((progress) => {
            const text = /"error":("(?:[^"\\]|\\.)*")/.exec(progress.toString("utf8"))?.[1]
            return text === undefined
              ? Effect.void
              : Effect.fail(new EngineError({ host, operation, status: 500, text: String(JSON.parse(text)) }))
          })
        )
    },

    createExec: (containerId, exec) =>
      execCreated({
        ...engine,
        operation: `create an exec in container ${containerId}`,
        method: "POST",
        path: `/containers/${segment(containerId)}/exec`,
        body: exec
      }).pipe(
        Effect.map(({ Id }) => Id),
        ofEngine
      ),
    startExec: (id, { tty }) => {
      const operation = `start exec ${id}`
      return client
        .hijack({
          ...engine,
          operation,
          method: "POST",
          path: `/exec/${segment(id)}/start`,
          body: { Detach: false, Tty: tty }
        })
        .pipe(
          Effect.flatMap((socket) => twoWay(socket, client.broken(`stay connected to exec ${id}`))),
          Effect.map((connection): ExecConnection => ({ framing: tty ? "raw" : "multiplexed", ...connection })),
          ofEngine
        )
    },
    startExecDetached: (id, { tty }) =>
      client
        .request({
          ...engine,
          operation: `start exec ${id}`,
          method: "POST",
          path: `/exec/${segment(id)}/start`,
          body: { Detach: true, Tty: tty }
        })
        .pipe(Effect.asVoid, ofEngine),
    inspectExec: (id) =>
      execInspect({
        ...engine,
        operation: `inspect exec ${id}`,
        method: "GET",
        path: `/exec/${segment(id)}/json`
      }).pipe(ofEngine),
    resizeExec: (id, { w, h }) =>
      client
        .request({
          ...engine,
          operation: `resize the terminal of exec ${id}`,
          method: "POST",
          path: `/exec/${segment(id)}/resize`,
          query: { h, w }
        })
        .pipe(Effect.asVoid, ofEngine)
  }
}

/** Questions to the engine alone are not refused for want of a swarm; should one be, its text is all there is to say. */
const ofEngine = <A, R>(effect: Effect.Effect<A, SwarmFailure, R>): Effect.Effect<A, EngineFailure, R> =>
  Effect.catchTag(effect, "NotSwarmManager", ({ host, operation, message }) =>
    Effect.fail(new EngineError({ host, operation, status: 503, text: message }))
  )

const introduced = ({ host, operation, state }: NotSwarmManager, info: Api.Info): NotSwarmManager =>
  new NotSwarmManager({
    host,
    operation,
    state,
    node: info.Name,
    managers: info.Swarm.RemoteManagers.map((manager) => manager.Addr)
  })

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
