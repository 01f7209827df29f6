/** Writes files and makes directories. */
import * as Posix from "node:path/posix"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Tar from "effect/encoding/Tar"
import type { OpenFlag } from "effect/FileSystem"
import * as Stream from "effect/Stream"
import type { TaskFiles } from "../copy/TaskFiles.ts"
import { put } from "./Archive.ts"
import type { StepError } from "./Connections.ts"
import { type Operation, refusal, unsupported } from "./FileErrors.ts"
import { permissionsOf, typeOf } from "./FileInfo.ts"
import { checkDirectory, follow, fromRoot, splitPath } from "./FindFile.ts"

/** Applies a umask of 022. */
const masked = (mode: number): number => mode & 0o7755

/** Writes a file, and follows a symbolic link. An existing file keeps its permissions. */
export const writeTo = Effect.fnUntraced(function* <E extends StepError>(
  files: TaskFiles,
  operation: Operation,
  { flag, keepsMode = false, mode }: { flag: OpenFlag; mode: number; keepsMode?: boolean },
  entries: (name: string, options: Tar.EntryOptions) => Stream.Stream<Tar.Entry<E>>
): Effect.fn.Return<void, StepError> {
  if (!["w", "wx", "w+", "wx+"].includes(flag)) return yield* unsupported(operation.method, `the flag ${flag}`)
  const { at, found } = yield* follow(files, operation)
  if (found !== undefined && flag.startsWith("wx")) return yield* refusal(operation, "AlreadyExists", "file exists")
  if (found !== undefined && typeOf(found.stat) === "Directory") {
    return yield* refusal(operation, "BadResource", "illegal operation on a directory")
  }
  const { directory, name } = yield* splitPath(files, operation, at)
  const permissions = keepsMode ? mode : found === undefined ? masked(mode) : permissionsOf(found.stat)
  const mtime = new Date(yield* Clock.currentTimeMillis)
  yield* put(files, directory, entries(name, { mode: permissions, mtime }))
})

/** Makes a directory and, with `recursive`, the missing directories above it. */
export const makeDirectoryIn = Effect.fnUntraced(function* (
  files: TaskFiles,
  text: string,
  mode: number,
  recursive: boolean
): Effect.fn.Return<void, StepError> {
  const operation = { method: "makeDirectory", path: text }
  const path = fromRoot(text)
  const { found } = yield* follow(files, operation)
  if (found !== undefined) {
    if (recursive && typeOf(found.stat) === "Directory") return
    return yield* refusal(operation, "AlreadyExists", "file exists")
  }
  if (!recursive) yield* splitPath(files, operation, path)
  const names = [Posix.basename(path)]
  let directory = Posix.dirname(path)
  while (recursive && !(yield* checkDirectory(files, operation, directory))) {
    names.push(Posix.basename(directory))
    directory = Posix.dirname(directory)
  }
  const mtime = new Date(yield* Clock.currentTimeMillis)
  const paths = names.toReversed().map((_, at, all) => all.slice(0, at + 1).join("/"))
  yield* put(
    files,
    directory,
    Stream.fromIterable(paths.map((name) => Tar.directory(name, { mode: masked(mode), mtime })))
  )
})
