/**
 * The base image: Node and its shared libraries. It is an image from a registry, or it is assembled from this machine's Node, which needs
 * no registry.
 */

import { fileURLToPath } from "node:url"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { makeArchive } from "./Archive.ts"
import type { ImageEngine } from "./ImageEngine.ts"
import { imageName } from "./ImageRef.ts"
import { FileUnreadable, readIfThere } from "./LocalFile.ts"
import { rootFsEntries } from "./RootFs.ts"

/** This machine's Node does not run on the engine's machine. */
export class CannotAssemble extends Schema.TaggedError<CannotAssemble>()("CannotAssemble", {
  /** Operating system and processor: `linux/amd64`. */
  here: Schema.String,
  there: Schema.String
}) {
  override get message(): string {
    return `cannot assemble a base image: this machine's Node (${this.here}) does not run on the engine (${this.there}). Name a base image with --base`
  }
}

/** The name that stands for an assembled base image. */
export const assembled = "scratch"

/** The time after which a silent registry counts as unreachable. */
const silence = Duration.seconds(10)

const goArchitectures: Readonly<Record<string, string>> = { x64: "amd64", ia32: "386", ppc64: "ppc64le" }

/** Returns the path of the project's own Node if it is installed, else that of the running Node. */
const readNode = Effect.gen(function* () {
  const own = fileURLToPath(new URL("../../node_modules/node/bin/node", import.meta.url))
  for (const path of [own, process.execPath]) {
    const bytes = yield* readIfThere(path)
    if (Option.isSome(bytes)) return { path, bytes: bytes.value }
  }
  return yield* new FileUnreadable({ path: process.execPath, detail: "no such file" })
})

const rootFs = Effect.gen(function* () {
  const { path, bytes } = yield* readNode
  const entries = yield* rootFsEntries(bytes, readIfThere).pipe(
    Effect.catchTag("NotElf", (error) => new FileUnreadable({ path, detail: error.message }))
  )
  return yield* makeArchive(entries)
})

/** Assembles a base image on the engine and returns its name. The tag is a hash of the content, so an image is imported once. */
const assemble = Effect.fn("BaseImage.assemble")(function* (engine: ImageEngine) {
  const { Os, Arch } = yield* engine.platform
  const here = `${process.platform}/${goArchitectures[process.arch] ?? process.arch}`
  if (here !== `${Os}/${Arch}`) return yield* new CannotAssemble({ here, there: `${Os}/${Arch}` })
  const archive = yield* rootFs
  const ref = { repository: "task-exec-base", tag: archive.sha256.slice(0, 16) }
  if (yield* engine.has(imageName(ref))) {
    yield* Effect.logInfo(`base: ${imageName(ref)} (already assembled)`)
  } else {
    yield* Effect.logInfo(`base: assembling ${imageName(ref)} from this machine's Node`)
    yield* engine.importImage(archive, ref, ["ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"])
  }
  return imageName(ref)
})

/** Returns the name of an image that the engine has or can pull. Runs `orElse` if the engine cannot pull it. */
const pullBase = Effect.fn("BaseImage.pull")(function* <E>(
  engine: ImageEngine,
  name: string,
  orElse: (error: Effect.Error<ReturnType<ImageEngine["pull"]>>) => Effect.Effect<string, E>
) {
  if (yield* engine.has(name)) {
    yield* Effect.logInfo(`base: ${name} (already on the engine)`)
    return name
  }
  yield* Effect.logInfo(`base: pulling ${name}`)
  return yield* engine.pull(name, silence).pipe(Effect.as(name), Effect.catch(orElse))
})

/**
 * Makes the engine have a base image, and returns its name.
 *
 * `requested`: an image or `scratch`; fails if the engine cannot get it. Without `requested`, uses `usual` if the engine has it or can pull it,
 * else an assembled image.
 */
export const prepareBase = (engine: ImageEngine, requested: string | undefined, usual: string) => {
  if ((requested ?? usual) === assembled) return assemble(engine)
  if (requested !== undefined) return pullBase(engine, requested, Effect.fail)
  return pullBase(engine, usual, ({ message }) => Effect.andThen(Effect.logInfo(`base: ${message}`), assemble(engine)))
}
