/** Loads images into an engine and pushes them to the registry, over the Engine API. */

import { createReadStream } from "node:fs"
import { Readable } from "node:stream"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { EngineApiError, post, remove, request } from "./EngineApi.ts"

/** The root file system of an image: the path of a tar file, or its bytes. */
export type RootFs = string | Readable | Uint8Array

/** One line of the progress of an import, a pull or a push. */
const Progress = Schema.Struct({
  error: Schema.optionalKey(Schema.String),
  status: Schema.optionalKey(Schema.String)
})
const decodeProgress = Schema.decodeUnknownEffect(Schema.fromJsonString(Progress))

/** Fails if the progress reports an error, which an engine does with HTTP status 200. */
const readProgress = Effect.fnUntraced(function* (socket: string, call: string, body: Buffer) {
  const lines = body.toString().split("\n")
  const progress = yield* Effect.forEach(
    lines.filter((line) => line.trim() !== ""),
    (line) => decodeProgress(line)
  ).pipe(Effect.mapError((error) => new EngineApiError({ socket, request: call, status: 200, detail: error.message })))
  const error = progress.find((line) => line.error !== undefined)?.error
  if (error !== undefined) return yield* new EngineApiError({ socket, request: call, status: 200, detail: error })
  return progress
})

/** Splits `repo[:tag]` or `repo@digest` as the API does. The port of a registry is not a tag. */
const splitRef = (ref: string): readonly [repo: string, tag: string] => {
  const at = ref.indexOf("@")
  if (at >= 0) return [ref.slice(0, at), ref.slice(at + 1)]
  const colon = ref.lastIndexOf(":")
  return colon > ref.lastIndexOf("/") ? [ref.slice(0, colon), ref.slice(colon + 1)] : [ref, "latest"]
}

/** Creates an image from a root file system, as `docker import` does. `changes` are Dockerfile instructions. */
export const importImage = Effect.fn("Images.import")(function* (
  socket: string,
  ref: string,
  rootfs: RootFs,
  changes: ReadonlyArray<string> = []
) {
  const [repo, tag] = splitRef(ref)
  const body = yield* request(socket, "POST", "/images/create", {
    query: { fromSrc: "-", repo, tag, changes },
    headers: { "Content-Type": "application/x-tar" },
    stream:
      typeof rootfs === "string" ? createReadStream(rootfs) : rootfs instanceof Readable ? rootfs : oneChunk(rootfs),
    timeout: 120_000
  })
  yield* readProgress(socket, `import of ${ref}`, body)
})

const oneChunk = (bytes: Uint8Array) => Readable.from([bytes], { objectMode: false })

const Created = Schema.Struct({ Id: Schema.String })

/** Creates an image from another image of this engine. `changes` are Dockerfile instructions, and `files` a tar file to add. */
export const deriveImage = Effect.fn("Images.derive")(function* (
  socket: string,
  from: string,
  ref: string,
  changes: ReadonlyArray<string>,
  files?: string
) {
  const [repo, tag] = splitRef(ref)
  const add = (id: string, tar: string) =>
    request(socket, "PUT", `/containers/${id}/archive`, {
      query: { path: "/" },
      headers: { "Content-Type": "application/x-tar" },
      stream: createReadStream(tar),
      timeout: 120_000
    })
  const commit = (container: string) =>
    request(socket, "POST", "/commit", { query: { container, repo, tag, changes }, timeout: 120_000 })
  yield* Effect.acquireUseRelease(
    post(socket, "/containers/create", Created, { body: { Image: from } }),
    ({ Id }) => Effect.andThen(files === undefined ? Effect.void : add(Id, files), commit(Id)),
    ({ Id }) => Effect.orDie(remove(socket, `/containers/${Id}`))
  )
})

/** Pushes an image of this engine to the registry of its name. Returns its digest, `sha256:…`. */
export const pushImage = Effect.fn("Images.push")(function* (socket: string, ref: string, auth: object = {}) {
  const [repo, tag] = splitRef(ref)
  const call = `push of ${ref}`
  const body = yield* request(socket, "POST", `/images/${repo}/push`, {
    query: { tag },
    // Engines accept this base64 only with its padding.
    headers: {
      "X-Registry-Auth": Buffer.from(JSON.stringify(auth)).toString("base64").replaceAll("+", "-").replaceAll("/", "_")
    },
    timeout: 120_000
  })
  const progress = yield* readProgress(socket, call, body)
  // Engines with the containerd image store report the digest only as text.
  const digest = progress
    .map(({ status = "" }) => /: digest: (sha256:[0-9a-f]{64}) size: /.exec(status)?.[1])
    .find((found) => found !== undefined)
  if (digest === undefined)
    return yield* new EngineApiError({ socket, request: call, status: 200, detail: "the engine reported no digest" })
  return digest
})

/** Pulls an image to an engine. */
export const pullImage = Effect.fn("Images.pull")(function* (socket: string, ref: string) {
  const [fromImage, tag] = splitRef(ref)
  const body = yield* request(socket, "POST", "/images/create", { query: { fromImage, tag }, timeout: 120_000 })
  yield* readProgress(socket, `pull of ${ref}`, body)
})
