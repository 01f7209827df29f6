/**
 * Tar archives that are the same, byte for byte, whenever what is in them is the same.
 */

import { createHash } from "node:crypto"
import * as Effect from "effect/Effect"
import * as Tar from "effect/encoding/Tar"
import * as Stream from "effect/Stream"

/** A whole tar archive, in memory. */
export interface Archive {
  /** Its bytes, in pieces as they come: the contents of large files are not copied. */
  readonly chunks: ReadonlyArray<Uint8Array>
  /** In hexadecimal digits. */
  readonly sha256: string
}

const parents = (path: string): ReadonlyArray<string> =>
  Array.from(path.matchAll(/(?<=[^/])\//g), ({ index }) => path.slice(0, index + 1))

const byPath = (left: Tar.Entry, right: Tar.Entry): number => (left.header.path < right.header.path ? -1 : 1)

/**
 * Archive of these entries, sorted, with the folders that they are in. What `Tar`'s constructors set by themselves (owner
 * root, date 1970) makes the archive depend on paths, modes and contents only.
 */
export const makeArchive = Effect.fn("Archive.make")(function* (entries: ReadonlyArray<Tar.Entry>) {
  const given = new Set(entries.map(({ header }) => header.path))
  const folders = new Set(entries.flatMap(({ header }) => parents(header.path)))
  const missing = [...folders].filter((path) => !given.has(path)).map((path) => Tar.directory(path))
  const chunks = yield* Stream.fromIterable([...entries, ...missing].toSorted(byPath)).pipe(
    Stream.pipeThroughChannel(Tar.encode()),
    Stream.runCollect,
    // Only for entries that contradict themselves, which the constructors do not make.
    Effect.orDie
  )
  const hash = createHash("sha256")
  for (const chunk of chunks) hash.update(chunk)
  const archive: Archive = { chunks, sha256: hash.digest("hex") }
  return archive
})
