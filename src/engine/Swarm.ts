/** The managers of the swarm as an Effect service, without the requests that only one engine can answer. */
import type * as Context from "effect/Context"
import { DockerEngine, type SwarmShape } from "./DockerEngine.ts"

/** The swarm in the context: provided by `DockerEngine`. */
export type Swarm = DockerEngine

/** The swarm in the context. For one engine of it, provide `DockerEngine` with {@link SwarmShape.engine}. */
export const Swarm: Context.Key<DockerEngine, SwarmShape> & Pick<Context.Service<DockerEngine, SwarmShape>, "use"> =
  DockerEngine
