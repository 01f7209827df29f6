/** Copies files within one container: an archive travels to the caller and back. */
import * as Posix from "node:path/posix"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Tar from "effect/encoding/Tar"
import type { FileSystem } from "effect/FileSystem"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { TaskFiles } from "../copy/TaskFiles.ts"
import { entriesOf, listing, put } from "./Archive.ts"
import type { Connections, StepError } from "./Connections.ts"
import { notFound, type Operation, refusal } from "./FileErrors.ts"
import { permissionsOf, typeOf } from "./FileInfo.ts"
import { findFile, follow, fromRoot, lstat } from "./FindFile.ts"
import { makeDirectoryIn, writeTo } from "./Write.ts"

/** Copies a file. Reading and writing use a connection each. */
export const copyFileOver =
  ({ use }: Connections): FileSystem["copyFile"] =>
  (fromPath, toPath) => {
    const source = { method: "copyFile", path: fromPath }
    const target = { method: "copyFile", path: toPath }
    return use(
      source,
      Effect.fnUntraced(function* (files) {
        const { path, stat } = yield* findFile(files, source)
        // The archive of a regular file has one entry.
        yield* Stream.runForEach(yield* entriesOf(files, path), ({ body, header }) =>
          use(target, (files) =>
            writeTo(files, target, { flag: "w", mode: permissionsOf(stat), keepsMode: true }, (name, options) =>
              Stream.make(Tar.fileStream(name, header.size, body, options))
            )
          )
        )
      })
    )
  }

/** Copies a file, or a directory with its content. Symbolic links stay links. */
export const copyOver =
  ({ use }: Connections): FileSystem["copy"] =>
  (fromPath, toPath, { overwrite = false, preserveTimestamps = false } = {}) => {
    const source = { method: "copy", path: fromPath }
    const target = { method: "copy", path: toPath }
    const [from, to] = [fromRoot(fromPath), fromRoot(toPath)]
    return use(
      source,
      Effect.fnUntraced(function* (files) {
        const stat = yield* lstat(files, source)
        if (stat === undefined) return yield* notFound(source)
        const isDirectory = typeOf(stat) === "Directory"
        const kept = yield* use(target, (files) => prepare(files, target, isDirectory, overwrite))
        if (kept.has("") && !isDirectory) return
        const now = new Date(yield* Clock.currentTimeMillis)
        const entries = (yield* entriesOf(files, from)).pipe(
          Stream.map(({ body, header }) => ({ body, header, below: below(from, header.path) })),
          Stream.filter(({ below, header }) => header.type === "Directory" || !kept.has(below)),
          Stream.map(
            ({ below: name, body, header }): Tar.Entry<StepError> => ({
              body,
              header: {
                ...header,
                path: `${Posix.join(Posix.basename(to), name)}${header.type === "Directory" ? "/" : ""}`,
                mtime: preserveTimestamps ? header.mtime : now,
                ...(header.type === "Hardlink"
                  ? { linkTarget: Posix.join(Posix.basename(to), below(from, header.linkTarget ?? "")) }
                  : {})
              }
            })
          )
        )
        yield* use(target, (files) => put(files, Posix.dirname(to), entries))
      })
    )
  }

/** Returns the path of an entry relative to the copied file or directory; empty for the file or directory itself. */
const below = (from: string, path: string): string => path.slice(Posix.basename(from).length).replace(/^\/|\/$/g, "")

/** Makes the directories above a destination. Returns the paths, relative to the destination, that must not be overwritten. */
const prepare = Effect.fnUntraced(function* (
  files: TaskFiles,
  target: Operation,
  isDirectory: boolean,
  overwrite: boolean
): Effect.fn.Return<ReadonlySet<string>, StepError, Scope.Scope> {
  const to = fromRoot(target.path)
  const { found } = yield* follow(files, target)
  if (found === undefined) {
    yield* makeDirectoryIn(files, Posix.dirname(to), 0o777, true)
    return new Set()
  }
  const type = typeOf(found.stat)
  if (isDirectory !== (type === "Directory")) return yield* refusal(target, "BadResource", `cannot replace a ${type}`)
  if (overwrite) return new Set()
  const content = isDirectory ? yield* listing(files, target) : []
  return new Set(["", ...content.map(({ name }) => name)])
})
