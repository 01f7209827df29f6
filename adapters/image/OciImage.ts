/**
 * Builds the image as an OCI image for one or more platforms, on this machine and without an engine. It contains Node from the npm registry,
 * Node's shared libraries, and the programs of task-exec. Labels and entry point are those of the Dockerfile.
 *
 * Sources: OCI image specification 1.1 (manifest, index, config, layout).
 */
import { execFile } from "node:child_process"
import { createHash } from "node:crypto"
import { cp, mkdir, readFile, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"
import { gzip } from "node:zlib"
import * as Effect from "effect/Effect"
import * as Tar from "effect/encoding/Tar"
import * as Schema from "effect/Schema"
import { type Archive, makeArchive } from "./Archive.ts"
import { readIfThere } from "./LocalFile.ts"
import { rootFsEntries } from "./RootFs.ts"
import { type Architecture, runtime } from "./Runtime.ts"
import { attempt, inProject, scratch } from "./Step.ts"
import { sysroot } from "./Sysroot.ts"

/** The supported platforms, with Node's names of their architectures. */
export const platforms = { "linux/amd64": "x64", "linux/arm64": "arm64" } as const satisfies Record<
  string,
  Architecture
>

/** A platform, as Docker names it: `linux/amd64`. */
export type Platform = keyof typeof platforms

/** Whether a platform is supported. */
export const isPlatform = (name: string): name is Platform => Object.hasOwn(platforms, name)

/** A blob: content that is addressed by its digest. */
export interface Blob {
  readonly mediaType: string
  /** `sha256:…` */
  readonly digest: string
  readonly bytes: Uint8Array
}

/** An image for several platforms. */
export interface OciImage {
  /** Layers and configurations. */
  readonly blobs: ReadonlyArray<Blob>
  /** One for each platform. */
  readonly manifests: ReadonlyArray<Blob>
  readonly index: Blob
}

const mediaTypes = {
  index: "application/vnd.oci.image.index.v1+json",
  manifest: "application/vnd.oci.image.manifest.v1+json",
  config: "application/vnd.oci.image.config.v1+json",
  layer: "application/vnd.oci.image.layer.v1.tar+gzip"
} as const

const blobOf = (mediaType: string, bytes: Uint8Array): Blob => ({
  mediaType,
  digest: `sha256:${createHash("sha256").update(bytes).digest("hex")}`,
  bytes
})

const jsonBlob = (mediaType: string, value: unknown): Blob => blobOf(mediaType, Buffer.from(JSON.stringify(value)))

const descriptor = ({ bytes, digest, mediaType }: Blob) => ({ mediaType, digest, size: bytes.length })

interface Layer {
  readonly blob: Blob
  /** Digest of the uncompressed archive. */
  readonly diffId: string
}

const layerOf = Effect.fnUntraced(function* ({ chunks, sha256 }: Archive) {
  const bytes = yield* attempt("compress a layer", () => promisify(gzip)(Buffer.concat(chunks)))
  const layer: Layer = { blob: blobOf(mediaTypes.layer, bytes), diffId: `sha256:${sha256}` }
  return layer
})

const programs = ["agent-entry.cjs", "image-serve.cjs", "image-start.cjs", "swarm-exec.cjs"] as const
const folder = "opt/task-exec"

/** Returns the programs, and for this machine's architecture also V8's compile cache. Making the cache runs the program once. */
const programLayer = Effect.fnUntraced(function* (
  arch: Architecture,
  node: string,
  nodeOptions: ReadonlyArray<string>
) {
  const draft = yield* scratch(tmpdir())
  const at = join(draft, "task-exec")
  yield* attempt('copy the programs (does "npm run build" come first?)', async () => {
    await mkdir(at)
    for (const name of programs) await cp(inProject(`dist/${name}`), join(at, name))
    await cp(inProject("LICENSE"), join(at, "LICENSE"))
  })
  const isOwn = process.platform === "linux" && process.arch === arch
  if (isOwn) {
    yield* attempt("compile the programs", () =>
      promisify(execFile)(node, [...nodeOptions, join(at, "image-start.cjs"), "--compile", "version"])
    )
  }
  const names = ["LICENSE", ...programs, ...(isOwn ? ["image-serve.cache"] : [])]
  const entries = yield* attempt("read the programs", () =>
    Promise.all(names.map(async (name) => Tar.file(`${folder}/${name}`, await readFile(join(at, name)))))
  )
  return yield* Effect.flatMap(makeArchive(entries), layerOf)
}, Effect.scoped)

const nodeLayer = Effect.fnUntraced(function* (arch: Architecture, node: string) {
  const root = process.platform === "linux" && process.arch === arch ? "" : yield* sysroot(arch)
  const bytes = yield* attempt("read Node", () => readFile(node))
  const entries = yield* rootFsEntries(bytes, (path) => readIfThere(`${root}${path}`))
  return yield* Effect.flatMap(makeArchive(entries), layerOf)
})

const Words = Schema.fromJsonString(Schema.Array(Schema.String))
const Manifest = Schema.fromJsonString(Schema.Struct({ version: Schema.String }))

/** Returns the labels and the entry point of the Dockerfile. */
const settings = Effect.gen(function* () {
  const dockerfile = yield* attempt("read the Dockerfile", () => readFile(inProject("Dockerfile"), "utf8"))
  const manifest = yield* attempt("read package.json", () => readFile(inProject("package.json"), "utf8"))
  const { version } = yield* Effect.orDie(Schema.decodeEffect(Manifest)(manifest))
  const labels = dockerfile.matchAll(/(org\.opencontainers\.image\.\w+)="([^"]*)"/g)
  const [, words = ""] = /^ENTRYPOINT (\[.*\])$/m.exec(dockerfile) ?? []
  const entrypoint = yield* Effect.orDie(Schema.decodeEffect(Words)(words))
  return {
    Env: [
      "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
      ...Array.from(dockerfile.matchAll(/^ENV (\w+=\S+)$/gm), ([, variable = ""]) => variable)
    ],
    Entrypoint: entrypoint,
    Labels: {
      ...Object.fromEntries(Array.from(labels, ([, name = "", value = ""]) => [name, value])),
      "org.opencontainers.image.version": version
    }
  }
})

const imageFor = Effect.fnUntraced(function* (platform: Platform) {
  const said = yield* settings
  yield* Effect.logInfo(`building for ${platform}`)
  const arch = platforms[platform]
  const node = yield* runtime(arch)
  const layers = [
    yield* nodeLayer(arch, node),
    // The options of Node: the entry point without `node` and without the program's file.
    yield* programLayer(arch, node, said.Entrypoint.slice(1, -1))
  ]
  const [os = "", architecture = ""] = platform.split("/")
  const config = jsonBlob(mediaTypes.config, {
    os,
    architecture,
    config: said,
    rootfs: { type: "layers", diff_ids: layers.map(({ diffId }) => diffId) }
  })
  const blobs = layers.map(({ blob }) => blob)
  const manifest = jsonBlob(mediaTypes.manifest, {
    schemaVersion: 2,
    mediaType: mediaTypes.manifest,
    config: descriptor(config),
    layers: blobs.map(descriptor)
  })
  return { manifest, blobs: [...blobs, config], platform: { os, architecture } }
})

/** Builds the image for these platforms. */
export const makeOciImage = Effect.fn("OciImage.make")(function* (wanted: ReadonlyArray<Platform>) {
  const images = yield* Effect.forEach(wanted, imageFor)
  const image: OciImage = {
    blobs: images.flatMap(({ blobs }) => blobs),
    manifests: images.map(({ manifest }) => manifest),
    index: jsonBlob(mediaTypes.index, {
      schemaVersion: 2,
      mediaType: mediaTypes.index,
      manifests: images.map(({ manifest, platform }) => ({ ...descriptor(manifest), platform }))
    })
  }
  return image
})

/** Writes the image as an archive in the OCI layout. Other tools can push it (`skopeo copy --all oci-archive:FILE …`). */
export const writeArchive = Effect.fn("OciImage.write")(function* (
  { blobs, index, manifests }: OciImage,
  tag: string,
  file: string
) {
  const entries = [...blobs, ...manifests, index].map(({ bytes, digest }) =>
    Tar.file(`blobs/${digest.replace(":", "/")}`, bytes)
  )
  const top = {
    schemaVersion: 2,
    mediaType: mediaTypes.index,
    manifests: [{ ...descriptor(index), annotations: { "org.opencontainers.image.ref.name": tag } }]
  }
  const { chunks } = yield* makeArchive([
    ...new Map(entries.map((entry) => [entry.header.path, entry])).values(),
    Tar.file("index.json", JSON.stringify(top)),
    Tar.file("oci-layout", JSON.stringify({ imageLayoutVersion: "1.0.0" }))
  ])
  yield* attempt(`write ${file}`, () => writeFile(file, chunks))
})
