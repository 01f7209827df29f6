/** The requests about images. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { EngineError, type EngineFailure, UnexpectedReply } from "./EngineErrors.ts"
import * as Api from "./EngineSchemas.ts"
import { fromReadable } from "./fromReadable.ts"
import { type EngineRequestContext, list, ofEngine, registryHeaders, segment } from "./internal/RequestContext.ts"
import { type PullAmount, pullAmounts } from "./PullProgress.ts"
import type { Filters } from "./SwarmRequests.ts"

/** The methods of `DockerEngine` about images. */
export interface ImageRequests {
  /** Inspects an image by its tag, digest or ID. */
  readonly inspectImage: (ref: string) => Effect.Effect<Api.Image, EngineFailure>

  readonly listImages: (filters: Filters) => Effect.Effect<ReadonlyArray<Api.ImageSummary>, EngineFailure>
  /**
   * Pulls `name:tag` or `name@digest` from its registry. Emits the progress, and ends when the engine has the image. `auth`: the header
   * X-Registry-Auth; default: the caller's credentials.
   */
  readonly pullImage: (ref: string, auth?: string) => Stream.Stream<PullAmount, EngineFailure>
}

/** The timeout of a pull. */
const pullTimeout = Duration.minutes(5)

/** Returns the requests about images by this client. */
export const imageRequests = ({ client, credentials, engine }: EngineRequestContext): ImageRequests => {
  const { host } = client
  const image = client.json(Api.Image)
  const images = list(client, Api.ImageSummary)

  return {
    inspectImage: (ref) =>
      image({
        ...engine,
        operation: `inspect image ${ref}`,
        method: "GET",
        // The slashes of a repository name stay slashes in the path.
        path: `/images/${ref.split("/").map(segment).join("/")}/json`
      }).pipe(ofEngine),
    listImages: (filters) =>
      images({ ...engine, operation: "list images", method: "GET", path: "/images/json", query: { filters } }).pipe(
        ofEngine
      ),
    pullImage: (ref, given) => {
      const operation = `pull image ${ref}`
      const response = Effect.gen(function* () {
        const auth = given ?? (yield* credentials(ref))
        const response = yield* client.stream({
          ...engine,
          operation,
          method: "POST",
          path: "/images/create",
          // Without a tag, the engine would pull all tags.
          query: { fromImage: /@|:[^/]*$/.test(ref) ? ref : `${ref}:latest` },
          ...registryHeaders(auth)
        })
        const lines = yield* fromReadable(response, client.broken(operation))
        return pullAmounts(
          lines,
          (text) => new EngineError({ host, operation, status: 500, text }),
          (line) => new UnexpectedReply({ host, operation, detail: line.slice(0, 300) })
        )
      }).pipe(ofEngine)
      const late = Effect.suspend(() => Effect.fail(client.timedOut(operation, pullTimeout)))
      return Stream.unwrap(response).pipe(Stream.interruptWhen(Effect.delay(late, pullTimeout)))
    }
  }
}
