/** The connections of a file system to its task. A connection serves one operation at a time. */
import * as Effect from "effect/Effect"
import type { TarError } from "effect/encoding/Tar"
import type { PlatformError } from "effect/PlatformError"
import * as Pool from "effect/Pool"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import {
  type OpenTaskFilesError,
  openTaskFiles,
  type TaskFiles,
  type TaskFilesError,
  type TaskFilesRequest
} from "../copy/TaskFiles.ts"
import type { Swarm } from "../engine/Swarm.ts"
import type { HelperImage } from "../helper/HelperImage.ts"
import { fromFiles, type Operation } from "./FileErrors.ts"

/** The most connections at the same time. */
const limit = 64
/** The time after which an unused connection closes and its helper, if any, is removed. */
const idle = "30 seconds"

/** The errors of the steps of an operation. */
export type StepError = PlatformError | TaskFilesError | TarError

/** Connections to a task's files. */
export interface Connections {
  /** Performs an operation on a connection. After an error of the connection, the next operation opens a new one. */
  readonly use: <A>(
    operation: Operation,
    step: (files: TaskFiles) => Effect.Effect<A, StepError, Scope.Scope>
  ) => Effect.Effect<A, PlatformError>
  /** Reads a stream over a connection. If the stream is not read to its end, the connection closes. */
  readonly read: <A>(
    operation: Operation,
    step: (files: TaskFiles) => Effect.Effect<Stream.Stream<A, StepError>, StepError, Scope.Scope>
  ) => Stream.Stream<A, PlatformError>
}

/** Makes connections on demand. They close with the scope. */
export const makeConnections = Effect.fnUntraced(function* (
  request: TaskFilesRequest
): Effect.fn.Return<Connections, never, Swarm | HelperImage | Scope.Scope> {
  const pool = yield* Pool.makeWithTTL({ acquire: openTaskFiles(request), min: 0, max: limit, timeToLive: idle })
  const explain = (operation: Operation) => (error: StepError | OpenTaskFilesError) =>
    error._tag === "PlatformError" ? error : fromFiles(operation, error)
  /** Takes a connection until the scope closes. A connection with an unfinished request is not used again. */
  const take = Effect.gen(function* () {
    const files = yield* Pool.get(pool)
    const { isIdle, watched } = watch(files)
    yield* Effect.addFinalizer(() => (isIdle() ? Effect.void : Pool.invalidate(pool, files)))
    return watched
  })
  return {
    use: (operation, step) =>
      Effect.flatMap(take, (files) => Effect.scoped(step(files))).pipe(
        Effect.scoped,
        Effect.mapError(explain(operation))
      ),
    read: (operation, step) => Stream.unwrap(Effect.flatMap(take, step)).pipe(Stream.mapError(explain(operation)))
  }
})

/** Watches whether a connection has an unfinished request. */
const watch = (files: TaskFiles) => {
  let isIdle = true
  const set = (value: boolean) => () => {
    isIdle = value
  }
  const finished = Effect.sync(set(true))
  /** Marks the connection as busy during a request. It is idle again if the response is that the path does not exist. */
  const tracked = <A, E extends { readonly _tag: string }, R>(request: Effect.Effect<A, E, R>) =>
    Effect.sync(set(false)).pipe(
      Effect.andThen(request),
      Effect.tapError(({ _tag }) => (_tag === "PathNotFound" ? finished : Effect.void))
    )
  const watched: TaskFiles = {
    ...files,
    stat: (path) => Effect.tap(tracked(files.stat(path)), finished),
    get: (path) =>
      Effect.map(tracked(files.get(path)), ({ archive, stat }) => ({
        stat,
        archive: Stream.onEnd(archive, finished)
      })),
    put: (path, archive, options) =>
      Effect.sync(set(false)).pipe(Effect.andThen(files.put(path, archive, options)), Effect.tap(finished))
  }
  return { isIdle: () => isIdle, watched }
}
