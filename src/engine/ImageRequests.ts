/** What an engine does with images. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { EngineError, type EngineFailure } from "./EngineErrors.ts"
import * as Api from "./EngineSchemas.ts"
import { type Asking, list, ofEngine, registryHeaders, segment } from "./internal/Asking.ts"
import type { Filters } from "./SwarmRequests.ts"

/** The methods of `DockerEngine` about images. */
export interface ImageRequests {
  /** By tag, digest or ID. */
  readonly inspectImage: (ref: string) => Effect.Effect<Api.Image, EngineFailure>

  readonly listImages: (filters: Filters) => Effect.Effect<ReadonlyArray<Api.ImageSummary>, EngineFailure>
  /** Pulls `name:tag` or `name@digest` from its registry; done when the engine has it. */
  readonly pullImage: (ref: string) => Effect.Effect<void, EngineFailure>
}

/** How long the pull of an image may take. */
const pullTimeout = Duration.minutes(5)

/** The requests about images. */
export const imageRequests = ({ client, credentials, engine }: Asking): ImageRequests => {
  const { host } = client
  const image = client.json(Api.Image)
  const images = list(client, Api.ImageSummary)

  return {
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
      return Effect.flatMap(credentials(ref), (auth) =>
        client.request({
          timeout: pullTimeout,
          operation,
          method: "POST",
          path: "/images/create",
          // Without a tag the engine would pull all of them.
          query: { fromImage: /@|:[^/]*$/.test(ref) ? ref : `${ref}:latest` },
          ...registryHeaders(auth)
        })
      ).pipe(
        ofEngine,
        Effect.flatMap((progress) => {
          const text = /"error":("(?:[^"\\]|\\.)*")/.exec(progress.toString("utf8"))?.[1]
          return text === undefined
            ? Effect.void
            : Effect.fail(new EngineError({ host, operation, status: 500, text: String(JSON.parse(text)) }))
        })
      )
    }
  }
}
