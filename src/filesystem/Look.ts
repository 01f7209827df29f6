/** Looks at the files of a container: what is at a path, through symbolic links. */
import * as Posix from "node:path/posix"
import * as Effect from "effect/Effect"
import type { TaskFiles } from "../copy/TaskFiles.ts"
import type { PathStat } from "../engine/EngineSchemas.ts"
import type { StepError } from "./Connections.ts"
import { notFound, type Operation, refusal } from "./FileErrors.ts"
import { typeOf } from "./FileInfo.ts"

/** A file, and where it is if the path leads to a symbolic link. */
export interface Found {
  readonly path: string
  readonly stat: PathStat
}

/** Returns a path as one from the container's root, without a slash at its end. */
export const fromRoot = (path: string): string => Posix.join("/", path).replace(/(?<=.)\/$/, "")

/** Describes the file at a path: a symbolic link itself. `undefined` if there is none. */
export const look = Effect.fnUntraced(function* (
  files: TaskFiles,
  operation: Operation,
  path = fromRoot(operation.path)
): Effect.fn.Return<PathStat | undefined, StepError> {
  return yield* files.stat(path).pipe(
    Effect.catchTag("PathNotFound", () => Effect.succeed(undefined)),
    // An engine reports a file in the place of a directory with status 500 and no text.
    Effect.catchTag("CopyFailed", (error) =>
      Effect.gen(function* () {
        if (path !== "/") yield* checkDirectory(files, operation, Posix.dirname(path))
        return yield* error
      })
    )
  )
})

/** Finds the file at a path, through a symbolic link. `at`: where it is, or where it would be. */
export const follow = Effect.fnUntraced(function* (
  files: TaskFiles,
  operation: Operation,
  path = fromRoot(operation.path)
): Effect.fn.Return<{ readonly at: string; readonly found: Found | undefined }, StepError> {
  const stat = yield* look(files, operation, path)
  if (stat === undefined || typeOf(stat) !== "SymbolicLink") return { at: path, found: stat && { path, stat } }
  const at = fromRoot(stat.linkTarget)
  const target = yield* look(files, operation, at)
  // The engine gives the final target, except for links in a circle.
  const found = target === undefined || typeOf(target) === "SymbolicLink" ? undefined : { path: at, stat: target }
  return { at, found }
})

/** Fails if there is something else than a directory at a path. Returns whether there is a directory. */
export const checkDirectory = Effect.fnUntraced(function* (
  files: TaskFiles,
  operation: Operation,
  path: string
): Effect.fn.Return<boolean, StepError> {
  const { found } = yield* follow(files, operation, path)
  if (found === undefined) return false
  return typeOf(found.stat) === "Directory" || (yield* refusal(operation, "BadResource", `${path} is not a directory`))
})

/** Finds a file. */
export const find = Effect.fnUntraced(function* (
  files: TaskFiles,
  operation: Operation
): Effect.fn.Return<Found, StepError> {
  const { found } = yield* follow(files, operation)
  return found ?? (yield* notFound(operation))
})

/** Finds a regular file. */
export const findFile = Effect.fnUntraced(function* (
  files: TaskFiles,
  operation: Operation
): Effect.fn.Return<Found, StepError> {
  const found = yield* find(files, operation)
  const type = typeOf(found.stat)
  return type === "File" ? found : yield* refusal(operation, "BadResource", `not a file, but a ${type}`)
})

/** Checks that a new file can be put at a path. Returns its directory, which exists, and its name. */
export const placeFor = Effect.fnUntraced(function* (
  files: TaskFiles,
  operation: Operation,
  path: string
): Effect.fn.Return<{ readonly directory: string; readonly name: string }, StepError> {
  const place = { directory: Posix.dirname(path), name: Posix.basename(path) }
  return (yield* checkDirectory(files, operation, place.directory)) ? place : yield* notFound(operation)
})
