/**
 * The image below ours: Node and what Node needs. Either one with a name, or one that is assembled from this machine's own
 * Node, for where no registry can be reached.
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

/** This machine's Node would not run on the engine's machine. */
export class CannotAssemble extends Schema.TaggedError<CannotAssemble>()("CannotAssemble", {
  /** Operating system and processor of this machine, and of the engine's. */
  here: Schema.String,
  there: Schema.String
}) {
  override get message(): string {
    return `cannot assemble a base image: this machine's Node (${this.here}) does not run on the engine (${this.there}). Name a base image with --base`
  }
}

/** In place of a base image's name: assemble one. */
export const assembled = "scratch"

/** A registry that cannot be reached must not take longer than that to give up. */
const silence = Duration.seconds(10)

const goArchitectures: Readonly<Record<string, string>> = { x64: "amd64", ia32: "386", ppc64: "ppc64le" }

/** The project's own Node where it is installed, and whichever runs this where not. */
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

/** Gives the name of an image on the engine that holds this machine's Node. Its tag says what is in it, so it is made once. */
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

/** Gives the name of an image that the engine has or can pull; `orElse` says what to do where it cannot. */
const obtain = Effect.fn("BaseImage.obtain")(function* <E>(
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
 * Sees to it that the engine has a base, and gives its name.
 *
 * `wanted` is an image or `scratch`, and then it is that or a failure. Without it, it is `usual` if the engine has that or
 * can pull it, and else an assembled one.
 */
export const prepareBase = (engine: ImageEngine, wanted: string | undefined, usual: string) => {
  if ((wanted ?? usual) === assembled) return assemble(engine)
  if (wanted !== undefined) return obtain(engine, wanted, Effect.fail)
  return obtain(engine, usual, ({ message }) => Effect.andThen(Effect.logInfo(`base: ${message}`), assemble(engine)))
}
