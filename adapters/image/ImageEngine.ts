/**
 * The requests of the Docker API that make an image. task-exec itself never builds, imports or pushes images, so they are not part of
 * `DockerEngine`. They find and reach the engine as `DockerEngine` does, and have its errors.
 */

import { Readable } from "node:stream"
import { stripVTControlCharacters } from "node:util"
import * as NodeStream from "@effect/platform-node/NodeStream"
import Docker from "dockerode"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Ndjson from "effect/encoding/Ndjson"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { type Endpoint, format } from "../../src/engine/Endpoint.ts"
import { isNotFound, UnexpectedReply } from "../../src/engine/EngineErrors.ts"
import { explainFailure, explainStatus } from "../../src/engine/explain.ts"
import { makeAgent } from "../../src/engine/makeAgent.ts"
import type { Archive } from "./Archive.ts"
import { type ImageRef, imageName } from "./ImageRef.ts"

/** A step of the engine failed after it had begun. */
export class ImageStepFailed extends Schema.TaggedError<ImageStepFailed>()("ImageStepFailed", {
  /** The engine's address. */
  host: Schema.String,
  /** The step, as it follows "cannot" in the message: "push REF". */
  operation: Schema.String,
  /** The reason. */
  detail: Schema.String
}) {
  override get message(): string {
    return `the Docker engine at ${this.host} cannot ${this.operation}: ${this.detail}`
  }
}

/** An image of an engine. */
export interface ImageFacts {
  /** The image ID: `sha256:…`. */
  readonly id: string
  /** Size in bytes, with the base image. Compressed if the engine keeps its images in containerd. */
  readonly size: number
}

/** Options of a build from an archive that contains a Dockerfile. */
export interface BuildOptions {
  readonly ref: ImageRef
  /** The Dockerfile's build arguments. */
  readonly args: Readonly<Record<string, string>>
  readonly labels: Readonly<Record<string, string>>
}

/** The timeout of short requests. */
const responseTimeout = Duration.seconds(20)

const Version = Schema.Struct({ Os: Schema.String, Arch: Schema.String })
const Facts = Schema.Struct({ Id: Schema.String, Size: Schema.Int })

/** A progress record of a pull, import, build or push. */
const Progress = Schema.Struct({
  stream: Schema.optionalKey(Schema.String),
  status: Schema.optionalKey(Schema.String),
  error: Schema.optionalKey(Schema.String),
  aux: Schema.optionalKey(
    Schema.Struct({ ID: Schema.optionalKey(Schema.String), Digest: Schema.optionalKey(Schema.String) })
  )
})

/** dockerode's error for a response with an error status: `(HTTP code 404) no such image - No such image: x `. */
const isRefusal = Schema.is(Schema.Struct({ statusCode: Schema.Int, message: Schema.String }))
const refusalPrefix = /^\(HTTP code \d+\) .*? - /s

/** The progress text with the digest. Engines that keep their images in containerd report it only here; others also report it as data. */
const pushedDigest = /: digest: (sha256:[0-9a-f]{64}) /

/** Lines of the builder between the output of steps. */
const bookkeeping = /^(?:---> |Removing intermediate container )/

/** Returns the engine at this address. Closes its connections with the scope. */
export const connect = Effect.fn("ImageEngine.connect")(function* (endpoint: Endpoint) {
  const host = format(endpoint)
  const agent = yield* makeAgent(endpoint)
  const docker = yield* Effect.try({
    try: () => makeDocker(endpoint, agent),
    catch: (cause) => explainFailure({ endpoint, operation: "be reached" }, cause)
  })

  const failed = (operation: string) => (cause: unknown) =>
    isRefusal(cause)
      ? explainStatus({ endpoint, operation }, cause.statusCode, cause.message.replace(refusalPrefix, ""))
      : explainFailure({ endpoint, operation }, cause)

  const misunderstood = (operation: string) => (error: Error) =>
    new UnexpectedReply({ host, operation, detail: error.message.replace(/\s+/g, " ").slice(0, 300) })

  const ask = <A>(operation: string, schema: Schema.ConstraintDecoder<A>, request: () => Promise<unknown>) =>
    Effect.tryPromise({ try: request, catch: failed(operation) }).pipe(
      Effect.timeoutOrElse({
        duration: responseTimeout,
        orElse: () =>
          new ImageStepFailed({ host, operation, detail: `no response within ${Duration.format(responseTimeout)}` })
      }),
      Effect.flatMap((reply) => Effect.mapError(Schema.decodeUnknownEffect(schema)(reply), misunderstood(operation)))
    )

  /** Returns the progress records of a request. Fails at a record with an error. */
  const follow = (operation: string, request: (signal: AbortSignal) => Promise<NodeJS.ReadableStream>) =>
    Stream.unwrap(
      Effect.map(Effect.tryPromise({ try: request, catch: failed(operation) }), (readable) =>
        NodeStream.fromReadable({ evaluate: () => readable, onError: failed(operation) })
      )
    ).pipe(
      Stream.pipeThroughChannel(Ndjson.decodeSchema(Progress)({ ignoreEmptyLines: true })),
      Stream.catchTags({
        NdjsonError: (error) => Stream.fail(misunderstood(operation)(error)),
        SchemaError: (error) => Stream.fail(misunderstood(operation)(error))
      }),
      Stream.tap((record) =>
        record.error === undefined
          ? Effect.void
          : Effect.fail(new ImageStepFailed({ host, operation, detail: record.error }))
      )
    )

  const inspect = (name: string) =>
    ask(`inspect ${name}`, Facts, () => docker.getImage(name).inspect()).pipe(
      Effect.map(({ Id, Size }): ImageFacts => ({ id: Id, size: Size }))
    )

  return {
    /** Operating system and architecture in Go's terms: `linux`, `amd64`. */
    platform: ask("tell its version", Version, () => docker.version()),

    /** Whether the engine has an image of this name. */
    has: (name: string) =>
      inspect(name).pipe(
        Effect.as(true),
        Effect.catchIf(isNotFound, () => Effect.succeed(false))
      ),

    /** Pulls an image. Fails if the registry sends nothing for this time. */
    pull: (name: string, silence: Duration.Duration) => {
      const operation = `pull ${name}`
      const detail = `no word from the registry in ${Duration.format(silence)}`
      return follow(operation, (abortSignal) => docker.createImage({ ...nameAndTag(name), abortSignal })).pipe(
        Stream.timeoutOrElse({
          duration: silence,
          orElse: () => Stream.fail(new ImageStepFailed({ host, operation, detail }))
        }),
        Stream.runDrain
      )
    },

    /** Imports a file system as an image. `changes`: lines of a Dockerfile. */
    importImage: (archive: Archive, ref: ImageRef, changes: ReadonlyArray<string>) =>
      follow(`import ${imageName(ref)}`, (abortSignal) =>
        docker.importImage(toReadable(archive), { repo: ref.repository, tag: ref.tag, changes, abortSignal })
      ).pipe(Stream.runDrain),

    /** Builds with the classic builder, which every engine has. */
    build: Effect.fnUntraced(function* (archive: Archive, { ref, args, labels }: BuildOptions) {
      const operation = `build ${imageName(ref)}`
      /** Output of the current step, for the error: it says more than the builder's message. */
      let printed: ReadonlyArray<string> = []
      const listen = (stream: string): void => {
        const line = stripVTControlCharacters(stream).replace(/\s+/g, " ").trim()
        if (line.startsWith("Step ")) printed = []
        else if (line !== "" && !bookkeeping.test(line)) printed = [...printed, line]
      }
      const id = yield* follow(operation, (abortSignal) =>
        docker.buildImage(toReadable(archive), {
          t: imageName(ref),
          buildargs: args,
          labels,
          networkmode: "none",
          rm: true,
          forcerm: true,
          abortSignal
        })
      ).pipe(
        Stream.tap(({ stream = "" }) => Effect.sync(() => listen(stream))),
        Stream.runFold(
          () => "",
          (id, { aux }) => aux?.ID ?? id
        ),
        Effect.catchTag(
          "ImageStepFailed",
          ({ detail }) => new ImageStepFailed({ host, operation, detail: [detail, ...printed.slice(-5)].join("; ") })
        )
      )
      if (id === "") return yield* new UnexpectedReply({ host, operation, detail: "no image" })
      return yield* inspect(id)
    }),

    /** Pushes an image to the registry in its name. Returns its digest. */
    push: Effect.fnUntraced(function* (ref: ImageRef) {
      const operation = `push ${imageName(ref)}`
      const digest = yield* follow(operation, (abortSignal) =>
        // An engine requires the header with the credentials, even if there are none.
        docker.getImage(ref.repository).push({ tag: ref.tag, authconfig: {}, abortSignal })
      ).pipe(
        Stream.runFold(
          () => "",
          (digest, { aux, status = "" }) => aux?.Digest ?? pushedDigest.exec(status)?.[1] ?? digest
        )
      )
      if (digest === "") return yield* new UnexpectedReply({ host, operation, detail: "no digest" })
      return digest
    })
  }
})

/** The requests of the Docker API that make an image. */
export type ImageEngine = Effect.Success<ReturnType<typeof connect>>

/** Options for docker-modem. The agent makes the connections; without a socket path, docker-modem reads the environment. */
const makeDocker = (endpoint: Endpoint, agent: object): Docker => {
  const options = {
    agent,
    socketPath: "/",
    host: undefined,
    protocol: "http" as const,
    // docker-modem's name for the prefix of each path.
    version: "basePath" in endpoint ? endpoint.basePath.slice(1) : ""
  }
  return new Docker(options)
}

const toReadable = (archive: Archive): Readable => Readable.from(archive.chunks)

/** Splits a name into the API's two parameters. The API takes a digest as a tag. */
const nameAndTag = (name: string): { readonly fromImage: string; readonly tag: string } => {
  const at = name.indexOf("@")
  const colon = at === -1 ? name.indexOf(":", name.lastIndexOf("/") + 1) : at
  return colon === -1
    ? { fromImage: name, tag: "latest" }
    : { fromImage: name.slice(0, colon), tag: name.slice(colon + 1) }
}
