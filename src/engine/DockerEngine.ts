/**
 * The Docker Engine API, as far as we use it, as an Effect service.
 */
import type * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { type ArchiveRequests, archiveRequests } from "./ArchiveRequests.ts"
import { type ContainerRequests, containerRequests } from "./ContainerRequests.ts"
import { credentialsFor } from "./Credentials.ts"
import type { Endpoint, Endpoints } from "./Endpoint.ts"
import { type EngineFailure, type InvalidEndpoint, NotSwarmManager, type SwarmFailure } from "./EngineErrors.ts"
import * as Api from "./EngineSchemas.ts"
import { fromEnvironment } from "./Environment.ts"
import { type ExecRequests, execRequests } from "./ExecRequests.ts"
import { type ImageRequests, imageRequests } from "./ImageRequests.ts"
import { type Asking, ofEngine } from "./internal/Asking.ts"
import { type EngineClient, makeEngineClient } from "./internal/EngineClient.ts"
import { type ManagersClient, overManagers } from "./internal/Managers.ts"
import { type SwarmRequests, swarmRequests } from "./SwarmRequests.ts"

/**
 * The managers of a swarm, for requests that each of them can answer. If one can't be reached, the next one is asked. Requests about
 * containers, execs, files and images are not among them: only one engine can answer these, see `engine`.
 */
export interface SwarmShape extends SwarmRequests {
  /** The managers' addresses, for messages: `unix:///var/run/docker.sock`, `ssh://user@host`. Never holds a password. */
  readonly host: string
  /** The managers' addresses. */
  readonly endpoints: Effect.Effect<Endpoints>
  /** The engine that answered last. Requests to it go to no other engine. The same object each time for the same engine. */
  readonly engine: Effect.Effect<DockerEngineShape>
  /** Describes the engine that answers. */
  readonly info: Effect.Effect<Api.Info, EngineFailure>
  readonly version: Effect.Effect<Api.EngineVersion, EngineFailure>
}

/** The methods of `DockerEngine`. */
export interface DockerEngineShape
  extends SwarmShape,
    ContainerRequests,
    ImageRequests,
    ExecRequests,
    ArchiveRequests {}

/** How long to wait for answers. */
export interface DockerEngineOptions {
  /** For what the engine does itself (20 seconds when not given). */
  readonly engineTimeout?: Duration.Input
  /** For what it asks of the swarm (30 seconds). */
  readonly swarmTimeout?: Duration.Input
  /**
   * What an engine is to tell an image's registry when it pulls it: the header X-Registry-Auth (a JSON object in base64url;
   * API reference, "Authentication"). Default: nothing.
   */
  readonly credentials?: (image: string) => Effect.Effect<string | undefined>
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
   * The engine that the environment names: DOCKER_HOST (or several, with commas between) with DOCKER_TLS_VERIFY and
   * DOCKER_CERT_PATH, or the docker CLI's context (DOCKER_CONTEXT, `docker context use`). With the credentials for
   * registries that `docker login` left.
   */
  static readonly layer: Layer.Layer<DockerEngine, InvalidEndpoint | Config.ConfigError> = Layer.unwrap(
    Effect.map(fromEnvironment, (endpoints) =>
      DockerEngine.layerForAny(endpoints, { credentials: (image) => Effect.orDie(credentialsFor(image)) })
    )
  )
}

const make = Effect.fnUntraced(function* (
  endpoints: Endpoints,
  options: DockerEngineOptions
): Effect.fn.Return<DockerEngineShape, InvalidEndpoint, Scope.Scope> {
  const [first, ...others] = endpoints
  return shapeOf(
    endpoints,
    overManagers([
      yield* makeEngineClient(first),
      ...(yield* Effect.forEach(others, (endpoint) => makeEngineClient(endpoint)))
    ]),
    options
  )
})

const shapeOf = (endpoints: Endpoints, client: ManagersClient, options: DockerEngineOptions): DockerEngineShape => {
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

  const credentials = options.credentials ?? (() => Effect.succeed(undefined))
  const engines = new WeakMap<EngineClient, DockerEngineShape>()
  const one = Effect.sync(() => {
    const current = client.current()
    const known = engines.get(current) ?? shapeOf(endpoints, overManagers([current]), options)
    engines.set(current, known)
    return known
  })
  const asking: Asking = { client, engine, swarm, credentials, ofSwarm }
  return {
    host,
    endpoints: Effect.succeed(endpoints),
    engine: one,
    info,
    version: client
      .json(Api.EngineVersion)({ ...engine, operation: "tell its version", method: "GET", path: "/version" })
      .pipe(ofEngine),
    ...swarmRequests(asking),
    ...containerRequests(asking, info),
    ...imageRequests(asking),
    ...execRequests(asking),
    ...archiveRequests(asking)
  }
}

const introduced = ({ host, operation, state }: NotSwarmManager, info: Api.Info): NotSwarmManager =>
  new NotSwarmManager({
    host,
    operation,
    state,
    node: info.Name,
    managers: info.Swarm.RemoteManagers.map((manager) => manager.Addr)
  })
