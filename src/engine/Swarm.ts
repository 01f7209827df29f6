/** The managers of a swarm as an Effect service, with failover. */
import type * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { credentialsFor } from "./Credentials.ts"
import {
  type DockerEngineOptions,
  type DockerEngineShape,
  describe,
  type EngineDescription,
  engineOf,
  requestOptions
} from "./DockerEngine.ts"
import type { Endpoint, Endpoints } from "./Endpoint.ts"
import { type InvalidEndpoint, NotSwarmManager, type SwarmFailure } from "./EngineErrors.ts"
import type * as Api from "./EngineSchemas.ts"
import { fromEnvironment } from "./Environment.ts"
import { type EngineClient, makeEngineClient } from "./internal/EngineClient.ts"
import { overManagers } from "./internal/Managers.ts"
import { type NetworkRequests, networkRequests } from "./NetworkRequests.ts"
import { type SwarmRequests, swarmRequests } from "./SwarmRequests.ts"

/**
 * The methods of {@link Swarm}: the requests that any manager can serve.
 *
 * **Details**: if a manager can't be reached, the next one is tried. Requests about containers, execs, files and images concern one engine;
 * `engine` has these.
 *
 * @category services
 * @since 0.2.0
 */
export interface SwarmShape extends EngineDescription, NetworkRequests, SwarmRequests {
  /** The managers' addresses, separated by commas, for messages. Never includes a password. */
  readonly host: string
  /** The managers' addresses. */
  readonly endpoints: Effect.Effect<Endpoints>
  /** The engine of the manager that responded last. Returns the same object each time for the same manager. */
  readonly engine: Effect.Effect<DockerEngineShape>
}

/**
 * Time limits and credentials of the requests to a swarm.
 *
 * @category layers
 * @since 0.2.0
 */
export interface SwarmOptions extends DockerEngineOptions {
  /** Timeout of a request about the swarm, which may need other managers. Default: 30 seconds. */
  readonly swarmTimeout?: Duration.Input
}

/**
 * A swarm: its services, tasks, nodes, secrets, configs and overlay networks, through any of its managers.
 *
 * **Details**: if a manager can't be reached, the next one is tried. A request that may have taken effect is not sent a second time. Code
 * that needs one engine provides `DockerEngine` with `Swarm.engine`.
 *
 * @example
 * ```ts
 * import * as Effect from "effect/Effect"
 * import { Swarm } from "task-exec"
 *
 * const nodes = Swarm.use(({ listNodes }) => listNodes()).pipe(
 *   Effect.map((all) => all.map(({ Description }) => Description.Hostname)),
 *   Effect.provide(Swarm.layerForAny([{ _tag: "Ssh", host: "manager-1" }, { _tag: "Ssh", host: "manager-2" }]))
 * )
 * ```
 *
 * @category services
 * @since 0.2.0
 */
export class Swarm extends Context.Service<Swarm, SwarmShape>()("task-exec/Swarm") {
  /**
   * Connects to the manager at this address, on first use. The connections are closed with the layer.
   *
   * @category layers
   * @since 0.2.0
   */
  static readonly layerFor = (endpoint: Endpoint, options: SwarmOptions = {}): Layer.Layer<Swarm, InvalidEndpoint> =>
    Swarm.layerForAny([endpoint], options)

  /**
   * Connects to any of these managers of one swarm. If one can't be reached, the next one is tried.
   *
   * @category layers
   * @since 0.2.0
   */
  static readonly layerForAny = (
    endpoints: Endpoints,
    options: SwarmOptions = {}
  ): Layer.Layer<Swarm, InvalidEndpoint> => Layer.effect(Swarm, make(endpoints, options))

  /**
   * Connects to the swarm that the environment names, as the docker CLI does.
   *
   * **Details**: `DOCKER_HOST` (or several managers, separated by commas) with `DOCKER_TLS_VERIFY` and `DOCKER_CERT_PATH`, or the docker
   * CLI's context (`DOCKER_CONTEXT`, `docker context use`). Uses the registry credentials that `docker login` stored.
   *
   * @category layers
   * @since 0.2.0
   */
  static readonly layer: Layer.Layer<Swarm, InvalidEndpoint | Config.ConfigError> = Layer.unwrap(
    Effect.map(fromEnvironment, (endpoints) =>
      Swarm.layerForAny(endpoints, { credentials: (image) => Effect.orDie(credentialsFor(image)) })
    )
  )
}

const make = Effect.fnUntraced(function* (
  endpoints: Endpoints,
  options: SwarmOptions
): Effect.fn.Return<SwarmShape, InvalidEndpoint, Scope.Scope> {
  const [first, ...others] = endpoints
  const client = overManagers([
    yield* makeEngineClient(first),
    ...(yield* Effect.forEach(others, (endpoint) => makeEngineClient(endpoint)))
  ])
  const resolved = requestOptions(options)
  const description = describe(client, resolved.engine)

  /** Adds to `NotSwarmManager` the name of the node and the managers that it knows. */
  const ofSwarm = <A, R>(effect: Effect.Effect<A, SwarmFailure, R>): Effect.Effect<A, SwarmFailure, R> =>
    Effect.catchTag(effect, "NotSwarmManager", (error) =>
      description.info.pipe(
        Effect.timeoutOption("2 seconds"),
        // If the node does not describe itself, the original error is reported.
        Effect.catch(() => Effect.succeedNone),
        Effect.flatMap((info) => Effect.fail(Option.isSome(info) ? withNode(error, info.value) : error))
      )
    )

  const engines = new WeakMap<EngineClient, DockerEngineShape>()
  const swarm = { timeout: Duration.fromInputUnsafe(options.swarmTimeout ?? "30 seconds") }
  return {
    ...description,
    endpoints: Effect.succeed(endpoints),
    engine: Effect.sync(() => {
      const current = client.current()
      const engine = engines.get(current) ?? engineOf(current, options)
      engines.set(current, engine)
      return engine
    }),
    ...networkRequests(client, swarm),
    ...swarmRequests({ client, ...resolved, swarm, ofSwarm })
  }
})

const withNode = ({ host, operation, state }: NotSwarmManager, info: Api.Info): NotSwarmManager =>
  new NotSwarmManager({
    host,
    operation,
    state,
    node: info.Name,
    managers: info.Swarm.RemoteManagers.map((manager) => manager.Addr)
  })
