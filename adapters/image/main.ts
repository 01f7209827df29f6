/**
 * `npm run image -- REF [--base IMAGE] [--push]`: builds the image on the engine of DOCKER_HOST. With `--platform`, builds it for several
 * platforms on this machine.
 *
 * The result goes to stdout, progress to stderr. Exit codes: 0 built, 1 failed, 2 wrong usage.
 */

import { parseArgs } from "node:util"
import * as Effect from "effect/Effect"
import * as Runtime from "effect/Runtime"
import * as Schema from "effect/Schema"
import { fromEnvironment } from "../../src/engine/Environment.ts"
import { writeText } from "../Output.ts"
import { runTool } from "../ToolMain.ts"
import { buildImage } from "./Image.ts"
import { imageName, parseImageRef } from "./ImageRef.ts"
import { isPlatform, makeOciImage, writeArchive } from "./OciImage.ts"
import { pushImage } from "./RegistryPush.ts"
import { version as nodeVersion } from "./Runtime.ts"

const usage = `Usage: npm run image -- REF [--base IMAGE] [--push]
       npm run image -- REF --platform PLATFORM[,PLATFORM] [--out FILE] [--push [--insecure]]

Builds the image of task-exec's helper and tags it as REF, for example task-exec:dev or registry.example:5000/task-exec:1.

  --base IMAGE  base image: an image with Node, or "scratch" for a base that is assembled from this machine's Node
                (default: TASK_EXEC_BASE, then the Dockerfile's base, then scratch)
  --push        push the image to the registry in REF
  --platform P  build for linux/amd64, linux/arm64, or both, separated by a comma, without an engine. The base is Node ${nodeVersion}
                from the npm registry. Libraries for another CPU architecture come from Debian's packages, with apt-get. An image
                for both platforms has one name, and each node pulls its own platform
  --out FILE    with --platform: write the image to FILE as an OCI archive
  --insecure    with --platform and --push: push over plain HTTP
  --help        print this text

DOCKER_HOST and the docker context select the engine, as for docker.`

/** The command line is invalid. */
class WrongUsage extends Schema.TaggedError<WrongUsage>()("WrongUsage", { detail: Schema.String }) {
  override get message(): string {
    return `${this.detail}. See 'npm run image -- --help'.`
  }
  override get [Runtime.errorExitCode](): number {
    return 2
  }
}

const options = {
  base: { type: "string" },
  push: { type: "boolean", default: false },
  platform: { type: "string", multiple: true },
  out: { type: "string" },
  insecure: { type: "boolean", default: false },
  help: { type: "boolean" }
} as const

/** Builds the image for these platforms. Returns the lines that describe the result. */
const buildForPlatforms = Effect.fnUntraced(function* (
  name: string,
  platforms: ReadonlyArray<string>,
  { insecure, out, push }: { readonly insecure: boolean; readonly out: string | undefined; readonly push: boolean }
) {
  const ref = yield* Effect.fromResult(parseImageRef(name))
  const unknown = platforms.find((one) => !isPlatform(one))
  if (unknown !== undefined || platforms.length === 0) {
    const detail = `unknown platform ${JSON.stringify(unknown ?? "")}: expected linux/amd64, linux/arm64, or both with a comma`
    return yield* new WrongUsage({ detail })
  }
  if (!push && out === undefined) {
    return yield* new WrongUsage({
      detail: "--platform needs --push or --out: an engine keeps one platform of an image"
    })
  }
  const image = yield* makeOciImage([...new Set(platforms.filter(isPlatform))])
  if (out !== undefined) yield* writeArchive(image, ref.tag, out)
  if (push) {
    yield* Effect.logInfo(`pushing ${imageName(ref)}`)
    yield* pushImage(image, ref, insecure)
  }
  const size = image.blobs.reduce((sum, { bytes }) => sum + bytes.length, 0)
  return [
    `ref ${push ? `${ref.repository}@${image.index.digest}` : imageName(ref)}`,
    ...(out === undefined ? [] : [`file ${out}`]),
    `size ${(size / 1e6).toFixed(1)} MB compressed`
  ]
})

const main = Effect.gen(function* () {
  const { values, positionals } = yield* Effect.try({
    try: () => parseArgs({ options, allowPositionals: true }),
    catch: (cause) => new WrongUsage({ detail: cause instanceof Error ? cause.message : String(cause) })
  })
  if (values.help === true) return yield* writeText(1, `${usage}\n`)
  const [ref, ...more] = positionals
  if (ref === undefined || more.length > 0) {
    return yield* new WrongUsage({ detail: `expected one REF, but got ${positionals.length}` })
  }
  const { base, insecure, out, platform, push } = values
  if (platform !== undefined) {
    if (base !== undefined) return yield* new WrongUsage({ detail: "--platform and --base cannot be combined" })
    const wanted = platform.flatMap((one) => one.split(","))
    const lines = yield* buildForPlatforms(ref, wanted, { insecure, out, push })
    return yield* writeText(1, `${lines.join("\n")}\n`)
  }
  if (out !== undefined || insecure) return yield* new WrongUsage({ detail: "--out and --insecure need --platform" })
  const [endpoint] = yield* fromEnvironment
  const image = yield* buildImage({ endpoint, ref, push, ...(base ? { base } : {}) })
  const size = `${(image.size / 1e6).toFixed(1)} MB`
  yield* writeText(1, `${[`ref ${image.pinned ?? image.ref}`, `id ${image.id}`, `size ${size}`].join("\n")}\n`)
})

runTool(main)
