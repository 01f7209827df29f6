/** What an engine does with the files of its containers. No tool of the container has a part in it. */
import type { IncomingHttpHeaders } from "node:http"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import { type EngineFailure, type EngineUnreachable, UnexpectedReply } from "./EngineErrors.ts"
import { PathStat } from "./EngineSchemas.ts"
import { fromReadable } from "./fromReadable.ts"
import { type EngineAsking, ofEngine, ofEngineWith, segment } from "./internal/Asking.ts"

/** The tar archive of what is at a path. */
export interface PathArchive {
  readonly stat: PathStat
  /** The archive's bytes. Without a pull the engine waits. Run it once. */
  readonly content: Stream.Stream<Uint8Array, EngineUnreachable>
}

/** The methods of `DockerEngine` about the files of containers. A path begins at the container's root, with or without `/`. */
export interface ArchiveRequests {
  /** What is at a path; a symbolic link itself unless the path ends in `/` or `/.`. */
  readonly statPath: (containerId: string, path: string) => Effect.Effect<PathStat, EngineFailure>
  /**
   * A file, or a folder with all that is in it, under its own name (`.` when the path ends so, `/` for the root). The engine
   * breaks off without an error when it can't read on: an archive without its end is not all of it.
   */
  readonly getArchive: (containerId: string, path: string) => Effect.Effect<PathArchive, EngineFailure, Scope.Scope>
  /** Unpacks a tar archive in a folder that is there. Done when the engine has unpacked all of it. */
  readonly putArchive: <E>(
    containerId: string,
    path: string,
    content: Stream.Stream<Uint8Array, E>,
    options: {
      /** Give what is unpacked to the container's user. */
      readonly copyUIDGID: boolean
    }
  ) => Effect.Effect<void, EngineFailure | E>
}

const decodeStat = Schema.decodeUnknownEffect(Schema.fromJsonString(PathStat))

/** The requests about the files of containers. */
export const archiveRequests = ({ client, engine }: EngineAsking): ArchiveRequests => {
  const about = (containerId: string, path: string, verb: string) => ({
    operation: `${verb} ${path} in container ${containerId}`,
    path: `/containers/${segment(containerId)}/archive`,
    query: { path }
  })
  const readStat = (operation: string, headers: IncomingHttpHeaders): Effect.Effect<PathStat, UnexpectedReply> => {
    const header = headers["x-docker-container-path-stat"]
    return decodeStat(Buffer.from(typeof header === "string" ? header : "", "base64").toString("utf8")).pipe(
      Effect.mapError(({ message }) => new UnexpectedReply({ host: client.host, operation, detail: message }))
    )
  }

  return {
    statPath: (containerId, path) => {
      const request = { ...engine, ...about(containerId, path, "stat"), method: "HEAD" as const }
      return client.head(request).pipe(
        Effect.flatMap((headers) => readStat(request.operation, headers)),
        ofEngine
      )
    },
    getArchive: (containerId, path) => {
      const request = { ...engine, ...about(containerId, path, "read"), method: "GET" as const }
      return Effect.gen(function* () {
        const response = yield* client.stream(request)
        const content = yield* fromReadable(response, client.broken(request.operation))
        return { stat: yield* readStat(request.operation, response.headers), content }
      }).pipe(ofEngine)
    },
    putArchive: <E>(
      containerId: string,
      path: string,
      content: Stream.Stream<Uint8Array, E>,
      { copyUIDGID }: { readonly copyUIDGID: boolean }
    ) => {
      const { query, ...request } = about(containerId, path, "write to")
      return client
        .upload(
          {
            ...request,
            // It takes as long as the content does.
            timeout: Duration.infinity,
            method: "PUT",
            query: { ...query, noOverwriteDirNonDir: true, copyUIDGID: copyUIDGID ? true : undefined }
          },
          content
        )
        .pipe(ofEngineWith<E>())
    }
  }
}
