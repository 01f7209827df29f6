/**
 * Effect's `FileSystem` over the files of a task's container. It uses the archive API of Docker engines, and no program in the container.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { TaskFilesRequest } from "../copy/TaskFiles.ts"
import type { Swarm } from "../engine/Swarm.ts"
import type { HelperImage } from "../helper/HelperImage.ts"
import { makeConnections } from "./Connections.ts"
import { copyFileOver, copyOver } from "./Copies.ts"
import { unsupported } from "./FileErrors.ts"
import { operationsOver } from "./Operations.ts"
import { sinkOver, streamOver } from "./Streams.ts"

/**
 * Provides a `FileSystem` whose files are those of a task's container.
 *
 * **When to use**: to run a program that uses `FileSystem` on the files of a container of the swarm. The container needs no shell and no
 * tools.
 *
 * **Details**: files travel as tar archives, as with `docker cp`. The first operation opens a connection, which closes after 30 seconds
 * without an operation. Relative paths start at the container's root. Written files belong to the container's user.
 *
 * **Gotchas**: operations that the archive API does not support, such as `remove`, `rename` and `watch`, fail with `BadArgument`. Listing a
 * directory reads its whole content. See `docs/effect.md`.
 *
 * @example
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as FileSystem from "effect/FileSystem"
 * import * as Layer from "effect/Layer"
 * import { HelperImage, Swarm } from "task-exec"
 * import * as TaskFileSystem from "task-exec/filesystem"
 *
 * const program = Effect.gen(function* () {
 *   const fs = yield* FileSystem.FileSystem
 *   const config = yield* fs.readFileString("/etc/nginx/nginx.conf")
 *   yield* fs.writeFileString("/etc/nginx/nginx.conf", config.replace("worker_processes 1", "worker_processes 4"))
 * })
 *
 * const Web = TaskFileSystem.layer({ target: "web.2" }).pipe(Layer.provide(HelperImage.layer), Layer.provide(Swarm.layer))
 * Effect.runPromise(program.pipe(Effect.provide(Web)))
 * ```
 *
 * @category layers
 * @since 0.2.0
 */
export const layer = (request: TaskFilesRequest): Layer.Layer<FileSystem.FileSystem, never, Swarm | HelperImage> =>
  Layer.effect(FileSystem.FileSystem, make(request))

/**
 * Returns the file system of {@link layer}.
 *
 * **When to use**: to use the files of several tasks in one program.
 *
 * @category constructors
 * @since 0.2.0
 */
export const make = (
  request: TaskFilesRequest
): Effect.Effect<FileSystem.FileSystem, never, Swarm | HelperImage | Scope.Scope> =>
  Effect.map(makeConnections(request), (connections) => {
    const operations = operationsOver(connections)
    return {
      ...FileSystem.make({
        ...notSupported,
        ...operations,
        copy: copyOver(connections),
        copyFile: copyFileOver(connections)
      }),
      stream: streamOver(connections),
      sink: sinkOver(operations.writeFile)
    }
  })

/** The operations that the archive API does not support. */
const notSupported = {
  chmod: () => Effect.fail(unsupported("chmod")),
  chown: () => Effect.fail(unsupported("chown")),
  link: () => Effect.fail(unsupported("link")),
  makeTempDirectory: () => Effect.fail(unsupported("makeTempDirectory")),
  makeTempDirectoryScoped: () => Effect.fail(unsupported("makeTempDirectoryScoped")),
  makeTempFile: () => Effect.fail(unsupported("makeTempFile")),
  makeTempFileScoped: () => Effect.fail(unsupported("makeTempFileScoped")),
  open: () => Effect.fail(unsupported("open")),
  realPath: () => Effect.fail(unsupported("realPath")),
  remove: () => Effect.fail(unsupported("remove")),
  rename: () => Effect.fail(unsupported("rename")),
  truncate: () => Effect.fail(unsupported("truncate")),
  utimes: () => Effect.fail(unsupported("utimes")),
  watch: () => Stream.fail(unsupported("watch"))
} satisfies Partial<FileSystem.FileSystem>
