/** The requests about the files of containers. They need no program in the container. */
import type { IncomingHttpHeaders } from "node:http"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import { type EngineFailure, type EngineUnreachable, UnexpectedReply } from "./EngineErrors.ts"
import { PathStat } from "./EngineSchemas.ts"
import { fromReadable } from "./fromReadable.ts"
import { type EngineRequestContext, ofEngine, ofEngineWith, segment } from "./internal/RequestContext.ts"

/** The tar archive of a file or directory. */
export interface PathArchive {
  readonly stat: PathStat
  /** The archive's bytes, with backpressure. Run it once. */
  readonly content: Stream.Stream<Uint8Array, EngineUnreachable>
}

/** The methods of `DockerEngine` about the files of containers. A path begins at the container's root, with or without `/`. */
export interface ArchiveRequests {
  /** Describes the file at a path. Describes a symbolic link itself, unless the path ends in `/` or `/.`. */
  readonly statPath: (containerId: string, path: string) => Effect.Effect<PathStat, EngineFailure>
  /**
   * Returns an archive of a file, or of a directory with its content. The first entry has the name of the file or directory (`.` if the path ends
   * in
   * `.`, `/` for the root). If the engine can't read a file, it ends the response without an error, so an archive without its end marker is
   * incomplete.
   */
  readonly getArchive: (containerId: string, path: string) => Effect.Effect<PathArchive, EngineFailure, Scope.Scope>
  /** Unpacks a tar archive in an existing directory. Completes when the engine has unpacked everything. */
  readonly putArchive: <E>(
    containerId: string,
    path: string,
    content: Stream.Stream<Uint8Array, E>,
    options: {
      /** Make the container's user the owner of the files. */
      readonly copyUIDGID: boolean
    }
  ) => Effect.Effect<void, EngineFailure | E>
}

const decodeStat = Schema.decodeUnknownEffect(Schema.fromJsonString(PathStat))

/** Returns the requests about files by this client. */
export const archiveRequests = ({ client, engine }: EngineRequestContext): ArchiveRequests => {
  const requestFor = (containerId: string, path: string, verb: string) => ({
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
      const request = { ...engine, ...requestFor(containerId, path, "stat"), method: "HEAD" as const }
      return client.head(request).pipe(
        Effect.flatMap((headers) => readStat(request.operation, headers)),
        ofEngine
      )
    },
    getArchive: (containerId, path) => {
      const request = { ...engine, ...requestFor(containerId, path, "read"), method: "GET" as const }
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
      const { query, ...request } = requestFor(containerId, path, "write to")
      return client
        .upload(
          {
            ...request,
            // The engine responds only after the content.
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
