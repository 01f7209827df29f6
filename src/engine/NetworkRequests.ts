/** The requests about networks that every engine can serve. A manager lists the swarm's networks and its own, a worker only its own. */
import type * as Effect from "effect/Effect"
import type { EngineFailure } from "./EngineErrors.ts"
import type { EngineClient, Request } from "./internal/EngineClient.ts"
import { list, ofEngine } from "./internal/RequestContext.ts"
import type { Filters } from "./SwarmRequests.ts"
import * as Api from "./SwarmSchemas.ts"

/** The methods about networks that `DockerEngine` and `Swarm` share. `SwarmRequests` has those that change overlay networks. */
export interface NetworkRequests {
  readonly listNetworks: (filters: Filters) => Effect.Effect<ReadonlyArray<Api.Network>, EngineFailure>
}

/** Returns the requests by this client. */
export const networkRequests = (
  client: Pick<EngineClient, "host" | "json">,
  options: Pick<Request, "timeout">
): NetworkRequests => {
  const networks = list(client, Api.Network)
  return {
    listNetworks: (filters) =>
      networks({ ...options, operation: "list networks", method: "GET", path: "/networks", query: { filters } }).pipe(
        ofEngine
      )
  }
}
