/** `image`: the bytes that a node downloads and stores. */
import { readFile } from "node:fs/promises"
import { promisify } from "node:util"
import { gzip } from "node:zlib"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { compare, type Entry } from "../Comparison.ts"
import type { Bench } from "../Contenders.ts"
import { imageSize } from "../RegistryImage.ts"

/** The size of this Node's program file. The image has this program without symbols, with its libraries. */
const nodeSize = Effect.promise(async () => {
  const program = await readFile(process.execPath)
  return { unpacked: program.length, compressed: (await promisify(gzip)(program)).length }
})

/** The image's size in the registry and on a node. */
export const image = Effect.fn("Measure.image")(function* ({ original, stage }: Bench) {
  yield* Console.error("measuring the image")
  const sized = [
    { name: "task-exec's image", size: yield* imageSize(stage.manager.socket, stage.image) },
    { name: "this machine's Node alone", size: yield* nodeSize },
    ...(original === undefined
      ? []
      : [{ name: original.imageName, size: yield* imageSize(stage.manager.socket, original.image) }])
  ]
  const kinds = [
    ["Image size, compressed", "compressed"],
    ["Image size, unpacked", "unpacked"]
  ] as const
  return kinds.flatMap(([title, kind]) => {
    const [ours, ...others] = sized.map(({ name, size }): Entry => ({ name, samples: [size[kind]] }))
    return ours === undefined ? [] : [compare({ measure: "image", title, unit: "bytes" }, ours, others)]
  })
})
