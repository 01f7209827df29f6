/**
 * The image of the helper and of `swarm-exec`, built on an engine over its API: no Docker client, no buildx, and where there
 * is none to be reached no registry.
 */

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

/** The program that belongs in the image is not there. */
export class BundleMissing extends Schema.TaggedError<BundleMissing>()("BundleMissing", { path: Schema.String }) {
  override get message(): string {
    return `cannot find ${this.path}: run "npm run build" first`
  }
}

/** What to build, and where. */
export interface ImageOptions {
  readonly endpoint: Endpoint
  /** What to call it: `task-exec:dev`, `registry.example:5000/task-exec:1`. */
  readonly ref: string
  /**
   * The image below, or `scratch` for one assembled from this machine's Node. By default TASK_EXEC_BASE; without that the
   * Dockerfile's own default, and `scratch` where that cannot be had.
   */
  readonly base?: string
  /** Push it to the registry that its name begins with? */
  readonly push?: boolean
  /** The program in the image, in place of dist/swarm-exec.cjs. */
  readonly bundle?: string
}

/** An image that was built. */
export interface BuiltImage {
  /** Name and tag. */
  readonly ref: string
  /** `sha256:…`, as the engine tells images apart. */
  readonly id: string
  /** Bytes, with its base: unpacked, or with images in containerd compressed. */
  readonly size: number
  /** The image that it was built on. */
  readonly base: string
  /** Its name by digest in the registry, for services: `registry.example:5000/task-exec@sha256:…`. Only when pushed. */
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

/** A file that `npm run build` makes: `shown` is its path, for the message. */
const readBuilt = Effect.fnUntraced(function* (shown: string, path = inProject(shown)) {
  const bytes = yield* readIfThere(path)
  return Option.isSome(bytes) ? bytes.value : yield* new BundleMissing({ path: shown })
})

const Manifest = Schema.fromJsonString(Schema.Struct({ version: Schema.String }))

const baseFromEnvironment = Config.String("TASK_EXEC_BASE").pipe(
  Config.withDefault(""),
  Effect.map((base) => (base === "" ? undefined : base))
)

/** The base that a plain `docker build` takes. */
const usualBase = (dockerfile: string): string => /^ARG BASE=(\S+)/m.exec(dockerfile)?.[1] ?? assembled

/**
 * Builds the image, and pushes it if that is wanted. What it does is logged, one line for each step that may take a while.
 */
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
