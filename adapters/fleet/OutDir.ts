/**
 * The output of many tasks in files of a directory: `web.2@node-1.out` and `web.2@node-1.err`.
 *
 * A task's files are made when its command starts. So there are as many open files as commands that run, an empty file
 * says that a command wrote nothing, and no file that it did not run. The directory is made before any of them starts:
 * if it can't be, nothing has been done yet.
 */
import { type FileHandle, mkdir, open } from "node:fs/promises"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { FleetEvent } from "../../src/fleet/FleetEvent.ts"
import type { ResolvedTask } from "../../src/target/ResolvedTask.ts"
import { type LocalFailed, onPath } from "../command/LocalFailed.ts"
import { labelOf } from "./Label.ts"

/** Writes what tasks write. */
export interface OutDir {
  /** Done when the event's bytes are written. To be called with each event; with those of one task one after the other. */
  readonly see: (event: FleetEvent) => Effect.Effect<void, LocalFailed>
}

/** Files of the same name are replaced. What is open is closed when the scope is. */
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
      // An interruption between a file's opening and its being known would leave it open.
      return Effect.uninterruptible(Effect.tap(makeFiles(path), (made) => Effect.sync(() => files.set(task.id, made))))
    })
  const end = (id: string): Effect.Effect<void, LocalFailed> =>
    Effect.suspend(() => {
      const known = files.get(id)
      files.delete(id)
      if (known === undefined) return Effect.void
      // Both, also when one of them fails.
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
        case "Ended":
          return end(event.task.id)
        case "Finished":
          return Effect.void
      }
    }
  }
})

/** A file that is open. */
interface OpenFile {
  readonly path: string
  readonly file: FileHandle
}

/** Those of a task whose command runs. */
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

/** Some file systems say only now that there is no room. */
const close = ({ file, path }: OpenFile): Effect.Effect<void, LocalFailed> => onPath(path, () => file.close())

/** File systems have room for 255 bytes; the rest is for what tells tasks and streams apart. */
const maxName = 200

/** Each task's file name by its ID, without what says which stream it is; no two have the same. */
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

/** Of a task whose label is another one's too, as it happens when two nodes have the same host name. No label has a ~. */
const uniqueName = (task: ResolvedTask): string => `${safeName(labelOf(task)).slice(0, maxName)}~${safeName(task.id)}`

/** Letters, digits, `_`, `@`, `-`, and dots but for the first character stay; of others the bytes, like `%2F`. */
const safeName = (label: string): string =>
  label.replace(/^\.|[^A-Za-z0-9._@-]/gu, (character) =>
    [...Buffer.from(character)].map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, "0")}`).join("")
  )
