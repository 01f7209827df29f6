/**
 * The output of many tasks in files of a directory: `web.2@node-1.out` and `web.2@node-1.err`.
 *
 * A task's files are created when its command starts. So an empty file means that a command wrote nothing, and a missing file that it did
 * not run. The directory is created before any command starts.
 */
import { type FileHandle, mkdir, open } from "node:fs/promises"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { FleetEvent } from "../../src/fleet/FleetEvent.ts"
import type { ResolvedTask } from "../../src/target/ResolvedTask.ts"
import { type LocalFailed, onPath } from "../command/LocalFailed.ts"
import { labelOf } from "./Piece.ts"

/** Writes the output of tasks to files. */
export interface OutDir {
  /** Writes the bytes of an event. Call it with the events of one task one after the other. */
  readonly see: (event: FleetEvent) => Effect.Effect<void, LocalFailed>
}

/** Makes the directory. Replaces existing files. Closes open files with the scope. */
export const makeOutDir = Effect.fnUntraced(function* (
  directory: string
): Effect.fn.Return<OutDir, LocalFailed, Scope.Scope> {
  yield* onPath(directory, () => mkdir(directory, { recursive: true }))
  const files = new Map<string, Files>()
  let names: ReadonlyMap<string, string> = new Map()

  const filesOf = (task: ResolvedTask): Effect.Effect<Files, LocalFailed> =>
    Effect.suspend(() => {
      const known = files.get(task.id)
      if (known !== undefined) return Effect.succeed(known)
      const path = join(directory, names.get(task.id) ?? uniqueName(task))
      // An interruption after opening a file would leave it open.
      return Effect.uninterruptible(Effect.tap(makeFiles(path), (made) => Effect.sync(() => files.set(task.id, made))))
    })
  const end = (id: string): Effect.Effect<void, LocalFailed> =>
    Effect.suspend(() => {
      const known = files.get(id)
      files.delete(id)
      if (known === undefined) return Effect.void
      // Closes both files, even if one of them fails.
      return Effect.all([close(known.out), close(known.err)], { concurrency: 2, discard: true })
    }).pipe(Effect.uninterruptible)
  yield* Effect.addFinalizer(() =>
    Effect.forEach([...files.keys()], (id) => Effect.ignore(end(id), { log: "Warn" }), { discard: true })
  )
  return {
    see: (event) => {
      switch (event._tag) {
        case "Chosen":
          return Effect.sync(() => {
            names = namesOf(event.tasks)
          })
        case "Started":
          return Effect.asVoid(filesOf(event.task))
        case "Stdout":
        case "Stderr":
          return Effect.flatMap(filesOf(event.task), ({ err, out }) => {
            const { file, path } = event._tag === "Stdout" ? out : err
            return onPath(path, () => file.writeFile(event.data))
          })
        case "Replaced":
        case "Ended":
          return end(event.task.id)
        case "Finished":
          return Effect.void
      }
    }
  }
})

/** An open file. */
interface OpenFile {
  readonly path: string
  readonly file: FileHandle
}

/** The open files of a task. */
interface Files {
  readonly out: OpenFile
  readonly err: OpenFile
}

const makeFiles = (path: string): Effect.Effect<Files, LocalFailed> =>
  Effect.gen(function* () {
    const out = yield* makeFile(`${path}.out`)
    const err = yield* Effect.onError(makeFile(`${path}.err`), () => Effect.ignore(close(out), { log: "Warn" }))
    return { out, err }
  })

const makeFile = (path: string): Effect.Effect<OpenFile, LocalFailed> =>
  Effect.map(
    onPath(path, () => open(path, "w")),
    (file) => ({ path, file })
  )

/** Closes a file. Some file systems report a full disk only here. */
const close = ({ file, path }: OpenFile): Effect.Effect<void, LocalFailed> => onPath(path, () => file.close())

/** The most bytes of a name. File systems allow 255; the rest distinguishes tasks and streams. */
const maxName = 200

/** Returns a unique file name for each task, by its ID, without the suffix for the stream. */
export const namesOf = (tasks: ReadonlyArray<ResolvedTask>): ReadonlyMap<string, string> => {
  const seen = new Set<string>()
  const special = new Set<string>()
  for (const task of tasks) {
    const name = safeName(labelOf(task))
    if (seen.has(name) || name.length > maxName) special.add(name)
    seen.add(name)
  }
  return new Map(
    tasks.map((task) => {
      const name = safeName(labelOf(task))
      return [task.id, special.has(name) ? uniqueName(task) : name]
    })
  )
}

/** The name of a task whose label is not unique, for example because two nodes have the same host name. No label has a ~. */
const uniqueName = (task: ResolvedTask): string => `${safeName(labelOf(task)).slice(0, maxName)}~${safeName(task.id)}`

/** Letters, digits, `_`, `@`, `-`, and dots but for the first character stay; of others the bytes, like `%2F`. */
const safeName = (label: string): string =>
  label.replace(/^\.|[^A-Za-z0-9._@-]/gu, (character) =>
    [...Buffer.from(character)].map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, "0")}`).join("")
  )
