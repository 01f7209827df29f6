/** Access to the files of a task's container. */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { type CopyRecording, recordCopy, targetOf } from "../audit/Recording.ts"
import { type EngineFailure, isNotSent } from "../engine/EngineErrors.ts"
import type { PathStat } from "../engine/EngineSchemas.ts"
import { summaryOf } from "../engine/Hints.ts"
import { CurrentInventory } from "../engine/Inventory.ts"
import type { Swarm } from "../engine/Swarm.ts"
import { openInventory } from "../executor/RunInventory.ts"
import type { HelperRefused, UsernsRemapped } from "../helper/HelperErrors.ts"
import { HelperImage } from "../helper/HelperImage.ts"
import { connect } from "../node/Connect.ts"
import type { FilesError } from "../node/NodeConnection.ts"
import { openSearch } from "../node/Search.ts"
import { withCallerDefault } from "../policy/Permission.ts"
import type { PolicyDenied, ProtectedTarget } from "../policy/PolicyErrors.ts"
import { type ContainerFiles, type CopyLost, type FilesFailure, isFilesFailure } from "../protocol/ContainerFiles.ts"
import type { RunError } from "../Run.ts"
import { checkDenyDefault, millis } from "../request/CheckedRequest.ts"
import type { InvalidRequest } from "../request/InvalidRequest.ts"
import type { Route, Via } from "../request/Via.ts"
import { openBackgroundSweep } from "../sweep/BackgroundSweep.ts"
import { lookupTask } from "../target/Lookup.ts"
import type { LookupError } from "../target/LookupErrors.ts"
import type { ResolvedTask } from "../target/ResolvedTask.ts"
import { type InvalidTarget, parseTarget } from "../target/Target.ts"
import { CopyFailed, PathNotFound } from "./CopyErrors.ts"
import { wholeArchive } from "./WholeArchive.ts"

/**
 * The request for access to a task's files.
 *
 * @category copying
 * @since 0.1.0
 */
export interface TaskFilesRequest {
  /** `web`, `web.2`, `web@node-3`, a task ID or a container ID; see `Target`. */
  readonly target: string
  /** The route to the node; default `auto`. */
  readonly via?: Via
  /** Image of the helper; default: that of the `HelperImage` layer. */
  readonly image?: string
  /** The time within which the node must accept a helper; default 30 seconds. */
  readonly placementTimeout?: Duration.Input
}

/**
 * The errors of access to a task's files, after its node is connected.
 *
 * @category errors
 * @since 0.1.0
 */
export type TaskFilesError =
  | PathNotFound
  | CopyFailed
  | CopyLost
  | HelperRefused
  | UsernsRemapped
  | PolicyDenied
  | ProtectedTarget
  | EngineFailure

/**
 * The errors of connecting to a task's files.
 *
 * @category errors
 * @since 0.1.0
 */
export type OpenTaskFilesError = InvalidRequest | InvalidTarget | LookupError | RunError | FilesError | TaskFilesError

/**
 * Access to the files of a task's container, until the scope closes. Requests run one after the other.
 *
 * @category copying
 * @since 0.1.0
 */
export interface TaskFiles {
  readonly task: ResolvedTask
  readonly route: Route
  /** Describes the file at a path. Describes a symbolic link itself, unless the path ends in `/` or `/.`. */
  readonly stat: (path: string) => Effect.Effect<PathStat, TaskFilesError>
  /** Returns a tar archive of the file or directory at a path. Its bytes fail with `CopyFailed` if they are incomplete. */
  readonly get: (
    path: string
  ) => Effect.Effect<
    { readonly stat: PathStat; readonly archive: Stream.Stream<Uint8Array, TaskFilesError> },
    TaskFilesError,
    Scope.Scope
  >
  /** Unpacks a tar archive in an existing directory. Completes when the engine has reported that it unpacked everything. */
  readonly put: <E>(
    path: string,
    archive: Stream.Stream<Uint8Array, E>,
    options?: {
      /** Make the container's user the owner of the files; default `false`: the owner in the archive. */
      readonly copyUIDGID?: boolean
    }
  ) => Effect.Effect<void, TaskFilesError | E>
}

/**
 * Finds the task and connects to its node: to the connected engine if it runs the task, otherwise to an agent or a helper on the task's
 * node. Removes everything that it created when the scope closes. Needs no program in the container.
 *
 * **When to use**: for several copies from or to one task, which then share a connection.
 *
 * **Details**: requests run one after the other. A policy label must allow copies.
 *
 * @example
 * ```ts
 * import * as Effect from "effect/Effect"
 * import { openTaskFiles } from "task-exec"
 *
 * const sizeOf = (target: string, path: string) =>
 *   openTaskFiles({ target }).pipe(
 *     Effect.flatMap(({ stat }) => stat(path)),
 *     Effect.map(({ size }) => size),
 *     Effect.scoped
 *   )
 * ```
 *
 * @category copying
 * @since 0.1.0
 */
export const openTaskFiles = Effect.fn("TaskExec.files")(function* (
  request: TaskFilesRequest
): Effect.fn.Return<TaskFiles, OpenTaskFilesError, Swarm | HelperImage | Scope.Scope> {
  const target = yield* Effect.fromResult(parseTarget(request.target))
  const placementTimeout = yield* millis("placementTimeout", request.placementTimeout ?? "30 seconds")
  const denyDefault = yield* checkDenyDefault
  const images = yield* HelperImage
  const { via = "auto" } = request
  const { agents, connectedNode: connected, onNode } = yield* openSearch(via)
  const [task, connectedNode] = yield* Effect.all([lookupTask(target, { onNode }), connected], { concurrency: 2 })
  const inventory = yield* openInventory
  const inOwnInventory = Effect.provideService(CurrentInventory, inventory)
  const connection = yield* connect({
    tasks: [task],
    connectedNode,
    via,
    agents,
    image: request.image === undefined ? images.reference : images.pin(request.image),
    placementTimeout
  }).pipe(inOwnInventory)
  const { route } = connection
  const recording = yield* recordCopy(targetOf(task), route)
  const files = yield* connection.files(task.container, withCallerDefault(task.policy, denyDefault)).pipe(
    inOwnInventory,
    Effect.tapError((error) => recording.ended({ error: error._tag }))
  )
  yield* Effect.flatten(openBackgroundSweep)
  return { task, route, ...recorded(recording, described(task, route, files)) }
})

/** Adds audit records of copies, and of descriptions that a policy denies. */
const recorded = (
  { count, ended, touched }: CopyRecording,
  { get, put, stat }: Pick<TaskFiles, "stat" | "get" | "put">
): Pick<TaskFiles, "stat" | "get" | "put"> => {
  const failed = (error: unknown) => ended({ error: isTagged(error) ? error._tag : "Unknown" })
  return {
    stat: (path) =>
      Effect.tapError(stat(path), (error) => (error._tag === "PolicyDenied" ? failed(error) : Effect.void)),
    get: (path) =>
      Effect.andThen(touched("read", path), get(path)).pipe(
        Effect.tapError(failed),
        Effect.map(({ archive, stat }) => ({
          stat,
          archive: archive.pipe(
            Stream.tap(count("out")),
            Stream.tapError((error: TaskFilesError) => failed(error)),
            Stream.onEnd(ended({ copied: true }))
          )
        }))
      ),
    put: (path, archive, options) =>
      Effect.andThen(touched("written", path), put(path, Stream.tap(archive, count("in")), options)).pipe(
        Effect.tapError(failed),
        Effect.tap(ended({ copied: true }))
      )
  }
}

const isTagged = Schema.is(Schema.Struct({ _tag: Schema.String }))

/** Adds the task and its node to errors, because the caller does not know the engine of another node. */
const described = (
  task: ResolvedTask,
  route: Route,
  files: ContainerFiles
): Pick<TaskFiles, "stat" | "get" | "put"> => {
  const where = (path: string) => ({ task: task.name, node: task.node.hostname, path })
  // The engine's errors mean that no file has changed.
  const explain =
    (path: string, changes = false) =>
    (error: FilesFailure): TaskFilesError => {
      if (error._tag === "EngineUnreachable" || error._tag === "UnexpectedReply") {
        return route === "local" && (!changes || isNotSent(error))
          ? error
          : new CopyFailed({ ...where(path), reason: summaryOf(error) })
      }
      if (error._tag !== "EngineError") return error
      const isMissing = error.status === 404 && !/no such container/i.test(error.text)
      return isMissing ? new PathNotFound(where(path)) : new CopyFailed({ ...where(path), reason: error.text })
    }
  const incomplete = (path: string) => () =>
    new CopyFailed({ ...where(path), reason: "the archive from the engine is incomplete" })
  return {
    stat: (path) => Effect.mapError(files.statPath(path), explain(path)),
    get: (path) =>
      files.getArchive(path).pipe(
        Effect.map(({ content, stat }) => ({
          stat,
          archive: content.pipe(Stream.mapError(explain(path)), wholeArchive(incomplete(path)))
        })),
        Effect.mapError(explain(path))
      ),
    put: (path, archive, { copyUIDGID = false } = {}) =>
      Effect.catchIf(files.putArchive(path, archive, { copyUIDGID }), isFilesFailure, (error) =>
        Effect.fail(explain(path, true)(error))
      )
  }
}
