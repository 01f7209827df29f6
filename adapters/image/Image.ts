/** Builds the image of task-exec on an engine, over the engine's API: without the docker CLI, buildx or a registry. */

import { fileURLToPath } from "node:url"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Tar from "effect/encoding/Tar"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { Endpoint } from "../../src/engine/Endpoint.ts"
import { makeArchive } from "./Archive.ts"
import { assembled, prepareBase } from "./BaseImage.ts"
import { connect } from "./ImageEngine.ts"
import { imageName, parseImageRef } from "./ImageRef.ts"
import { FileUnreadable, readIfThere } from "./LocalFile.ts"

/** A program of the image does not exist. */
export class BundleMissing extends Schema.TaggedError<BundleMissing>()("BundleMissing", { path: Schema.String }) {
  override get message(): string {
    return `cannot find ${this.path}: run "npm run build" first`
  }
}

/** Options of a build. */
export interface ImageOptions {
  readonly endpoint: Endpoint
  /** Name of the image: `task-exec:dev`, `registry.example:5000/task-exec:1`. */
  readonly ref: string
  /**
   * The base image; `scratch`: a base image that is assembled from this machine's Node. Default: TASK_EXEC_BASE, then the Dockerfile's
   * default, then `scratch`.
   */
  readonly base?: string
  /** Whether to push the image to the registry in its name. */
  readonly push?: boolean
  /** Path of the program that replaces dist/swarm-exec.cjs in the image. */
  readonly bundle?: string
}

/** A built image. */
export interface BuiltImage {
  /** Name and tag. */
  readonly ref: string
  /** The image ID: `sha256:…`. */
  readonly id: string
  /** Size in bytes, with the base image. Compressed if the engine keeps its images in containerd. */
  readonly size: number
  /** Name of the base image. */
  readonly base: string
  /** The name with the digest, for services: `registry.example:5000/task-exec@sha256:…`. Only for a pushed image. */
  readonly pinned?: string
}

const bundleFile = "dist/swarm-exec.cjs"
const otherFiles = ["dist/agent-entry.cjs", "dist/image-serve.cjs", "dist/image-start.cjs"]

const inProject = (file: string): string => fileURLToPath(new URL(`../../${file}`, import.meta.url))

const read = Effect.fnUntraced(function* (file: string) {
  const path = inProject(file)
  const bytes = yield* readIfThere(path)
  return Option.isSome(bytes) ? bytes.value.toString() : yield* new FileUnreadable({ path, detail: "no such file" })
})

/** Reads a file that `npm run build` makes. `shown`: its path in the error. */
const readBuilt = Effect.fnUntraced(function* (shown: string, path = inProject(shown)) {
  const bytes = yield* readIfThere(path)
  return Option.isSome(bytes) ? bytes.value : yield* new BundleMissing({ path: shown })
})

const Manifest = Schema.fromJsonString(Schema.Struct({ version: Schema.String }))

const baseFromEnvironment = Config.String("TASK_EXEC_BASE").pipe(
  Config.withDefault(""),
  Effect.map((base) => (base === "" ? undefined : base))
)

/** Returns the Dockerfile's default base image. */
const usualBase = (dockerfile: string): string => /^ARG BASE=(\S+)/m.exec(dockerfile)?.[1] ?? assembled

/** Builds the image, and pushes it if `push` says so. Logs a line for each slow step. */
export const buildImage = Effect.fn("Image.build")(function* (options: ImageOptions) {
  const ref = yield* Effect.fromResult(parseImageRef(options.ref))
  const name = imageName(ref)
  const bundle = yield* readBuilt(options.bundle ?? bundleFile, options.bundle)
  const others = yield* Effect.forEach(otherFiles, (path) =>
    Effect.map(readBuilt(path), (bytes) => Tar.file(path, bytes))
  )
  const dockerfile = yield* read("Dockerfile")
  const { version } = yield* Effect.orDie(Schema.decodeUnknownEffect(Manifest)(yield* read("package.json")))
  const context = yield* makeArchive([
    Tar.file("Dockerfile", dockerfile),
    Tar.file("LICENSE", yield* read("LICENSE")),
    ...others,
    Tar.file(bundleFile, bundle)
  ])

  const engine = yield* connect(options.endpoint)
  const wanted = options.base ?? (yield* baseFromEnvironment)
  const base = yield* prepareBase(engine, wanted, usualBase(dockerfile))
  yield* Effect.logInfo(`building ${name}`)
  const { id, size } = yield* engine.build(context, {
    ref,
    args: { BASE: base },
    labels: { "org.opencontainers.image.version": version }
  })
  const built: BuiltImage = { ref: name, id, size, base }
  if (options.push !== true) return built
  yield* Effect.logInfo(`pushing ${name}`)
  const digest = yield* engine.push(ref)
  const pushed: BuiltImage = { ...built, pinned: `${ref.repository}@${digest}` }
  return pushed
}, Effect.scoped)
