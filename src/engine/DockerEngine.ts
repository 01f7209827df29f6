/** The Docker Engine API of one engine, as an Effect service. */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { type ArchiveRequests, archiveRequests } from "./ArchiveRequests.ts"
import { type ContainerRequests, containerRequests } from "./ContainerRequests.ts"
import { defaultEndpoint, type Endpoint } from "./Endpoint.ts"
import type { EngineFailure, InvalidEndpoint } from "./EngineErrors.ts"
import * as Api from "./EngineSchemas.ts"
import { type ExecRequests, execRequests } from "./ExecRequests.ts"
import { type ImageRequests, imageRequests } from "./ImageRequests.ts"
import { type EngineClient, makeEngineClient } from "./internal/EngineClient.ts"
import { ofEngine, type RequestOptions } from "./internal/RequestContext.ts"
import { type NetworkRequests, networkRequests } from "./NetworkRequests.ts"

/** The requests with which an engine, or the manager that responds, describes itself. */
export interface EngineDescription {
  /** The engine's address, for messages: `unix:///var/run/docker.sock`, `ssh://user@host`. Never holds a password. */
  readonly host: string
  /** Describes the engine that responds. */
  readonly info: Effect.Effect<Api.Info, EngineFailure>
  readonly version: Effect.Effect<Api.EngineVersion, EngineFailure>
}

/**
 * The methods of {@link DockerEngine}: the requests that concern one engine.
 *
 * **Details**: a request goes to this engine only, and fails if the engine can't be reached. {@link Swarm} has the requests that concern
 * the swarm.
 *
 * @category services
 * @since 0.1.0
 */
export interface DockerEngineShape
  extends EngineDescription,
    ContainerRequests,
    ImageRequests,
    NetworkRequests,
    ExecRequests,
    ArchiveRequests {}

/**
 * Time limits and credentials of the requests to one engine.
 *
 * @category layers
 * @since 0.1.0
 */
export interface DockerEngineOptions {
  /** Timeout of a request that the engine handles without the swarm. Default: 20 seconds. */
  readonly engineTimeout?: Duration.Input
  /**
   * Returns the registry credentials for an image, which the engine needs to pull it: the header X-Registry-Auth (a JSON object in
   * base64url; API reference, "Authentication"). Default: none.
   */
  readonly credentials?: (image: string) => Effect.Effect<string | undefined>
}

/**
 * One Docker engine: its containers, execs, files and images.
 *
 * **When to use**: for requests about one engine. For an engine that is a manager of the swarm in the context, use `Swarm.engine`.
 *
 * @category services
 * @since 0.1.0
 */
export class DockerEngine extends Context.Service<DockerEngine, DockerEngineShape>()("task-exec/DockerEngine") {
  /**
   * Connects to the engine at this address, on first use. The connections are closed with the layer.
   *
   * @category layers
   * @since 0.1.0
   */
  static readonly layerFor = (
    endpoint: Endpoint,
    options: DockerEngineOptions = {}
  ): Layer.Layer<DockerEngine, InvalidEndpoint> =>
    Layer.effect(
      DockerEngine,
      Effect.map(makeEngineClient(endpoint), (client) => engineOf(client, options))
    )

  /**
   * Connects to the engine at the default socket, `/var/run/docker.sock`.
   *
   * @category layers
   * @since 0.2.0
   */
  static readonly layerLocal: Layer.Layer<DockerEngine, InvalidEndpoint> = DockerEngine.layerFor(defaultEndpoint)
}

/** Returns the requests to one engine by this client. */
export const engineOf = (client: EngineClient, options: DockerEngineOptions): DockerEngineShape => {
  const context = { client, ...requestOptions(options) }
  const description = describe(client, context.engine)
  return {
    ...description,
    ...containerRequests(context, description.info),
    ...imageRequests(context),
    ...networkRequests(client, context.engine),
    ...execRequests(context),
    ...archiveRequests(context)
  }
}

/** Returns the options with their defaults. */
export const requestOptions = ({ credentials, engineTimeout }: DockerEngineOptions): RequestOptions => ({
  engine: { timeout: Duration.fromInputUnsafe(engineTimeout ?? "20 seconds") },
  credentials: credentials ?? (() => Effect.succeed(undefined))
})

/** Returns the requests with which an engine describes itself. */
export const describe = (
  client: Pick<EngineClient, "host" | "json">,
  engine: { readonly timeout: Duration.Duration }
): EngineDescription => ({
  host: client.host,
  info: client
    .json(Api.Info)({ ...engine, operation: "read the system information", method: "GET", path: "/info" })
    .pipe(ofEngine),
  version: client
    .json(Api.EngineVersion)({ ...engine, operation: "read the version", method: "GET", path: "/version" })
    .pipe(ofEngine)
})
