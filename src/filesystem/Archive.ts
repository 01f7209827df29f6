/** Reads and writes files as entries of tar archives. */
import * as Posix from "node:path/posix"
import * as Effect from "effect/Effect"
import * as Tar from "effect/encoding/Tar"
import * as Stream from "effect/Stream"
import type { TaskFiles } from "../copy/TaskFiles.ts"
import type { StepError } from "./Connections.ts"
import { type Operation, refusal } from "./FileErrors.ts"
import { typeOf, typeOfEntry } from "./FileInfo.ts"
import { find } from "./FindFile.ts"

/** Returns the entries of the archive of a path. */
export const entriesOf = (files: TaskFiles, path: string) =>
  Effect.map(files.get(path), ({ archive }) => Stream.pipeThroughChannel(archive, Tar.decode<StepError>()))

/** Returns the bytes of a regular file. */
export const bytesOf = (files: TaskFiles, path: string) =>
  Effect.map(entriesOf(files, path), (entries) =>
    Stream.flatMap(entries, ({ body, header }) => (header.type === "File" ? body : Stream.empty))
  )

/** Puts entries into a directory. The container's user owns them. */
export const put = <E>(files: TaskFiles, directory: string, entries: Stream.Stream<Tar.Entry<E>, E>) =>
  files.put(directory, Stream.pipeThroughChannel(entries, Tar.encode<E, unknown, Tar.Entry<E>>()), { copyUIDGID: true })

/** Returns the names, relative to a directory, and the types of all files in the directory and below it. */
export const listing = Effect.fnUntraced(function* (files: TaskFiles, operation: Operation) {
  const { path, stat } = yield* find(files, operation)
  if (typeOf(stat) !== "Directory") return yield* refusal(operation, "BadResource", "not a directory")
  const entries = yield* entriesOf(files, `${path}/.`)
  const all = yield* Stream.runCollect(
    Stream.map(entries, ({ header }) => ({
      name: Posix.join("/", header.path).replace(/^\/|\/$/g, ""),
      type: typeOfEntry[header.type]
    }))
  )
  return all.filter(({ name }) => name !== "")
})
