/** The operations of `FileSystem` that the archive API supports, except copies and streams. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Tar from "effect/encoding/Tar"
import type { FileSystem } from "effect/FileSystem"
import * as Stream from "effect/Stream"
import { bytesOf, entriesOf, listing, put } from "./Archive.ts"
import type { Connections } from "./Connections.ts"
import { notFound, refusal, unsupported } from "./FileErrors.ts"
import { infoOf, typeOf } from "./FileInfo.ts"
import { find, findFile, fromRoot, lstat, splitPath } from "./FindFile.ts"
import { makeDirectoryIn, writeTo } from "./Write.ts"

/** Whether a file is directly in its directory. */
const isDirectChild = ({ name }: { readonly name: string }): boolean => !name.includes("/")

/** Returns the operations over these connections. */
export const operationsOver = ({ use }: Connections) => {
  const makeDirectory: FileSystem["makeDirectory"] = (path, { mode = 0o777, recursive = false } = {}) =>
    use({ method: "makeDirectory", path }, (files) => makeDirectoryIn(files, path, mode, recursive))
  const writeFile: FileSystem["writeFile"] = (path, data, { flag = "w", mode = 0o666 } = {}) =>
    use({ method: "writeFile", path }, (files) =>
      writeTo(files, { method: "writeFile", path }, { flag, mode }, (name, options) =>
        Stream.make(Tar.file(name, data, options))
      )
    )
  const operations = {
    access: (path, { writable = false } = {}) =>
      writable
        ? Effect.fail(unsupported("access", "writable"))
        : use({ method: "access", path }, (files) => Effect.asVoid(find(files, { method: "access", path }))),
    stat: (path) =>
      use({ method: "stat", path }, (files) =>
        Effect.map(find(files, { method: "stat", path }), ({ stat }) => infoOf(stat))
      ),
    lstat: (path) =>
      use(
        { method: "lstat", path },
        Effect.fnUntraced(function* (files) {
          const operation = { method: "lstat", path }
          const stat = yield* lstat(files, operation)
          return stat === undefined ? yield* notFound(operation) : infoOf(stat)
        })
      ),
    readFile: (path) =>
      use({ method: "readFile", path }, (files) =>
        Effect.flatMap(findFile(files, { method: "readFile", path }), (found) =>
          Effect.flatMap(bytesOf(files, found.path), (bytes) => Stream.mkUint8Array(bytes))
        )
      ),
    readLink: (path) =>
      use(
        { method: "readLink", path },
        Effect.fnUntraced(function* (files) {
          const operation = { method: "readLink", path }
          const stat = yield* lstat(files, operation)
          if (stat === undefined) return yield* notFound(operation)
          if (typeOf(stat) !== "SymbolicLink") return yield* refusal(operation, "Unknown", "not a symbolic link")
          const headers = yield* Stream.runCollect(
            Stream.map(yield* entriesOf(files, fromRoot(path)), ({ header }) => header)
          )
          return headers[0]?.linkTarget ?? stat.linkTarget
        })
      ),
    readDirectory: (path, { recursive = false } = {}) =>
      use({ method: "readDirectory", path }, (files) =>
        Effect.map(listing(files, { method: "readDirectory", path }), (all) =>
          all.filter((entry) => recursive || isDirectChild(entry)).map(({ name }) => name)
        )
      ),
    readDirectoryEntries: (path) =>
      use({ method: "readDirectoryEntries", path }, (files) =>
        Effect.map(listing(files, { method: "readDirectoryEntries", path }), (all) => all.filter(isDirectChild))
      ),
    makeDirectory,
    writeFile,
    symlink: (fromPath, toPath) =>
      use({ method: "symlink", path: toPath }, (files) =>
        Effect.gen(function* () {
          const operation = { method: "symlink", path: toPath }
          if ((yield* lstat(files, operation)) !== undefined)
            return yield* refusal(operation, "AlreadyExists", "file exists")
          const { directory, name } = yield* splitPath(files, operation, fromRoot(toPath))
          const mtime = new Date(yield* Clock.currentTimeMillis)
          yield* put(files, directory, Stream.make(Tar.symlink(name, fromPath, { mtime })))
        })
      )
  } satisfies Partial<FileSystem>
  return operations
}
