/** Finds the file at a path in a container, and follows symbolic links. */
import * as Posix from "node:path/posix"
import * as Effect from "effect/Effect"
import type { TaskFiles } from "../copy/TaskFiles.ts"
import type { PathStat } from "../engine/EngineSchemas.ts"
import type { StepError } from "./Connections.ts"
import { notFound, type Operation, refusal } from "./FileErrors.ts"
import { typeOf } from "./FileInfo.ts"

/** A file. If the requested path is a symbolic link, `path` is the link's target. */
export interface Found {
  readonly path: string
  readonly stat: PathStat
}

/** Returns the absolute path in the container, without a slash at its end. */
export const fromRoot = (path: string): string => Posix.join("/", path).replace(/(?<=.)\/$/, "")

/** Describes the file at a path; `undefined` if it does not exist. Does not follow a symbolic link. */
export const lstat = Effect.fnUntraced(function* (
  files: TaskFiles,
  operation: Operation,
  path = fromRoot(operation.path)
): Effect.fn.Return<PathStat | undefined, StepError> {
  return yield* files.stat(path).pipe(
    Effect.catchTag("PathNotFound", () => Effect.succeed(undefined)),
    // If a parent of the path is not a directory, engines respond with status 500 and no text.
    Effect.catchTag("CopyFailed", (error) =>
      Effect.gen(function* () {
        if (path !== "/") yield* checkDirectory(files, operation, Posix.dirname(path))
        return yield* error
      })
    )
  )
})

/** Finds the file at a path, and follows a symbolic link. `at`: the path of the file, even if the file does not exist. */
export const follow = Effect.fnUntraced(function* (
  files: TaskFiles,
  operation: Operation,
  path = fromRoot(operation.path)
): Effect.fn.Return<{ readonly at: string; readonly found: Found | undefined }, StepError> {
  const stat = yield* lstat(files, operation, path)
  if (stat === undefined || typeOf(stat) !== "SymbolicLink") return { at: path, found: stat && { path, stat } }
  const at = fromRoot(stat.linkTarget)
  const target = yield* lstat(files, operation, at)
  // The engine returns the final target, except for links that form a circle.
  const found = target === undefined || typeOf(target) === "SymbolicLink" ? undefined : { path: at, stat: target }
  return { at, found }
})

/** Returns whether a directory exists at a path. Fails if the path exists, but is not a directory. */
export const checkDirectory = Effect.fnUntraced(function* (
  files: TaskFiles,
  operation: Operation,
  path: string
): Effect.fn.Return<boolean, StepError> {
  const { found } = yield* follow(files, operation, path)
  if (found === undefined) return false
  return typeOf(found.stat) === "Directory" || (yield* refusal(operation, "BadResource", `${path} is not a directory`))
})

/** Finds a file. Fails if it does not exist. */
export const find = Effect.fnUntraced(function* (
  files: TaskFiles,
  operation: Operation
): Effect.fn.Return<Found, StepError> {
  const { found } = yield* follow(files, operation)
  return found ?? (yield* notFound(operation))
})

/** Finds a regular file. Fails if it does not exist, or has another type. */
export const findFile = Effect.fnUntraced(function* (
  files: TaskFiles,
  operation: Operation
): Effect.fn.Return<Found, StepError> {
  const found = yield* find(files, operation)
  const type = typeOf(found.stat)
  return type === "File" ? found : yield* refusal(operation, "BadResource", `not a file, but a ${type}`)
})

/** Splits the path of a new file into its directory and its name. Fails if the directory does not exist. */
export const splitPath = Effect.fnUntraced(function* (
  files: TaskFiles,
  operation: Operation,
  path: string
): Effect.fn.Return<{ readonly directory: string; readonly name: string }, StepError> {
  const parts = { directory: Posix.dirname(path), name: Posix.basename(path) }
  return (yield* checkDirectory(files, operation, parts.directory)) ? parts : yield* notFound(operation)
})
