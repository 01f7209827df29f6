/** `docker cp` for the tasks of a swarm. Files travel as tar archives. */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { PathStat } from "../engine/EngineSchemas.ts"
import { type CannotCopyDirectory, type NoSuchDirectory, UnfitDestination } from "./CopyErrors.ts"
import { type CopyDestination, type CopySource, fromRoot, planCopy, splitPath } from "./CopyRules.ts"
import type { TaskFiles, TaskFilesError } from "./TaskFiles.ts"

/**
 * A file or directory that is copied out of a container.
 *
 * @category copying
 * @since 0.1.0
 */
export interface CopiedOut extends CopySource {
  /** The name of the file or directory in the archive. Every entry of the archive is below this name. */
  readonly archived: string
  readonly stat: PathStat
  /** The archive. Fails if it is incomplete. Run it once. */
  readonly archive: Stream.Stream<Uint8Array, TaskFilesError>
}

/**
 * Copies a file, or a directory with its content, out of a container.
 *
 * **Details**: the copy is a tar archive. Nothing is read before the stream is run. `followLink`: copy the target of a symbolic link.
 *
 * **Gotchas**: the archive fails if it is incomplete, so wait for its end before you use the unpacked files.
 *
 * @example
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as Stream from "effect/Stream"
 * import { copyFrom, openTaskFiles } from "task-exec"
 *
 * const archiveOf = (target: string, path: string) =>
 *   openTaskFiles({ target }).pipe(
 *     Effect.flatMap((files) => copyFrom(files, path)),
 *     Effect.flatMap(({ archive }) => Stream.mkUint8Array(archive)),
 *     Effect.scoped
 *   )
 * ```
 *
 * @category copying
 * @since 0.1.0
 */
export const copyFrom = Effect.fn("TaskExec.copyFrom")(function* (
  files: TaskFiles,
  path: string,
  { followLink = false }: { readonly followLink?: boolean } = {}
): Effect.fn.Return<CopiedOut, TaskFilesError, Scope.Scope> {
  const requested = fromRoot(path)
  const link = followLink ? linkTarget(yield* files.stat(requested)) : undefined
  const { archive, stat } = yield* files.get(link ?? requested)
  return {
    archive,
    stat,
    archived: splitPath(link ?? requested).name,
    name: splitPath(requested).name,
    isDirectory: isDirectory(stat)
  }
})

/**
 * A file or directory that is copied into a container.
 *
 * @category copying
 * @since 0.1.0
 */
export interface CopiedIn<E> extends CopySource {
  /** Returns a tar archive with the source under this name; `.` for the content of a directory. */
  readonly archive: (name: string) => Stream.Stream<Uint8Array, E>
}

/**
 * Copies into a container. Completes when the engine has reported that it unpacked the whole archive.
 *
 * **When to use**: to copy as `docker cp` does, which decides by the destination whether the source is renamed or put in a directory. To
 * unpack an archive in a directory, use {@link extractTo}.
 *
 * **Gotchas**: if the copy fails, the files that were copied stay. A retry copies all files again.
 *
 * @category copying
 * @since 0.1.0
 */
export const copyTo = Effect.fn("TaskExec.copyTo")(function* <E>(
  files: TaskFiles,
  path: string,
  source: CopiedIn<E>,
  options: { readonly copyUIDGID?: boolean } = {}
): Effect.fn.Return<void, E | TaskFilesError | CannotCopyDirectory | NoSuchDirectory | UnfitDestination> {
  const destination = yield* findDestination(files, path)
  const { directory, name } = yield* Result.match(planCopy(source, destination), {
    onFailure: (error) => Effect.fail(error),
    onSuccess: (plan) => Effect.succeed(plan)
  })
  return yield* files.put(directory, source.archive(name), options)
})

/**
 * Unpacks a tar archive in a directory of a container. Fails with `UnfitDestination` if `path` is not a directory.
 *
 * **Gotchas**: if it fails, the files that were unpacked stay. A retry unpacks all files again.
 *
 * @category copying
 * @since 0.1.0
 */
export const extractTo = Effect.fn("TaskExec.extractTo")(function* <E>(
  files: TaskFiles,
  path: string,
  archive: Stream.Stream<Uint8Array, E>,
  options: { readonly copyUIDGID?: boolean } = {}
): Effect.fn.Return<void, E | TaskFilesError | UnfitDestination> {
  const destination = yield* findDestination(files, path)
  if (destination.is !== "directory") return yield* new UnfitDestination({ path, must: "a directory" })
  return yield* files.put(destination.path, archive, options)
})

/**
 * Finds the destination of a copy, and follows a symbolic link. Ignores errors of the engine, because the destination may still be usable;
 * if it is not, the copy fails later.
 */
const findDestination = Effect.fnUntraced(function* (
  files: TaskFiles,
  text: string
): Effect.fn.Return<CopyDestination, TaskFilesError | UnfitDestination> {
  const statOf = (path: string) =>
    files.stat(path).pipe(Effect.catchTag(["PathNotFound", "CopyFailed"], () => Effect.succeed(undefined)))
  const requested = fromRoot(text)
  const first = yield* statOf(requested)
  const link = first === undefined ? undefined : linkTarget(first)
  const path = link ?? requested
  const found = link === undefined ? first : yield* statOf(link)
  if (found === undefined) return { path, is: undefined }
  if (isDirectory(found)) return { path, is: "directory" }
  if (isSpecial(found)) return yield* new UnfitDestination({ path: text, must: "a directory or a regular file" })
  return { path, is: "file" }
})

/** The bits of Go's `os.FileMode` for the kinds of files. */
const kinds = { directory: 2 ** 31, link: 2 ** 27, device: 2 ** 26, irregular: 2 ** 19 } as const

const has = ({ mode }: PathStat, kind: keyof typeof kinds): boolean => Math.floor(mode / kinds[kind]) % 2 === 1

const isDirectory = (stat: PathStat): boolean => has(stat, "directory")
const isSpecial = (stat: PathStat): boolean => has(stat, "device") || has(stat, "irregular")

/** Returns the target of a symbolic link; `undefined` for other files. */
const linkTarget = (stat: PathStat): string | undefined =>
  has(stat, "link") && stat.linkTarget !== "" ? stat.linkTarget : undefined
