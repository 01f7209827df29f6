/** The size of an image, in its registry and on an engine. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { get } from "../test/cluster/EngineApi.ts"

/** The registry did not return the image's manifest. */
export class ManifestUnreadable extends Schema.TaggedError<ManifestUnreadable>()("ManifestUnreadable", {
  image: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    return `the registry does not say what ${this.image} is made of: ${this.detail}`
  }
}

/** Bytes. */
export interface ImageSize {
  /** All layers, as an engine downloads them. */
  readonly compressed: number
  /** All layers, as an engine stores them. */
  readonly unpacked: number
}

const Manifest = Schema.Struct({ layers: Schema.Array(Schema.Struct({ size: Schema.Int })) })
const Inspected = Schema.Struct({ Size: Schema.Int })

const accept = [
  "application/vnd.docker.distribution.manifest.v2+json",
  "application/vnd.oci.image.manifest.v1+json"
].join(", ")

/** The size of `REGISTRY/NAME:TAG`, which the engine at `socket` has pulled. The registry speaks plain HTTP. */
export const imageSize = Effect.fn("RegistryImage.size")(function* (socket: string, image: string) {
  const [, registry = "", name = "", tag = ""] = /^([^/]+)\/(.+):([^:/]+)$/.exec(image) ?? []
  const answer = yield* Effect.tryPromise({
    try: async (signal): Promise<unknown> => {
      const response = await fetch(`http://${registry}/v2/${name}/manifests/${tag}`, { headers: { accept }, signal })
      if (!response.ok) throw new Error(`status ${response.status}`)
      return response.json()
    },
    catch: (error) => new ManifestUnreadable({ image, detail: error instanceof Error ? error.message : String(error) })
  })
  const { layers } = yield* Schema.decodeUnknownEffect(Manifest)(answer).pipe(
    Effect.mapError(({ message }) => new ManifestUnreadable({ image, detail: message }))
  )
  const { Size: unpacked } = yield* get(socket, `/images/${image}/json`, Inspected)
  const size: ImageSize = { compressed: layers.reduce((sum, layer) => sum + layer.size, 0), unpacked }
  return size
})
