/** Reproducible tar archives: equal entries give equal bytes. */

import { createHash } from "node:crypto"
import * as Effect from "effect/Effect"
import * as Tar from "effect/encoding/Tar"
import * as Stream from "effect/Stream"

/** A whole tar archive, in memory. */
export interface Archive {
  /** The bytes, in order. The contents of files are not copied. */
  readonly chunks: ReadonlyArray<Uint8Array>
  /** SHA-256 of the bytes, in hexadecimal digits. */
  readonly sha256: string
}

const parents = (path: string): ReadonlyArray<string> =>
  Array.from(path.matchAll(/(?<=[^/])\//g), ({ index }) => path.slice(0, index + 1))

const byPath = (left: Tar.Entry, right: Tar.Entry): number => (left.header.path < right.header.path ? -1 : 1)

/**
 * Makes an archive of the entries, sorted, and of the folders that contain them. The archive depends only on paths, modes and contents:
 * every owner is root, and every date is 1970.
 */
export const makeArchive = Effect.fn("Archive.make")(function* (entries: ReadonlyArray<Tar.Entry>) {
  const given = new Set(entries.map(({ header }) => header.path))
  const folders = new Set(entries.flatMap(({ header }) => parents(header.path)))
  const missing = [...folders].filter((path) => !given.has(path)).map((path) => Tar.directory(path))
  const chunks = yield* Stream.fromIterable([...entries, ...missing].toSorted(byPath)).pipe(
    Stream.pipeThroughChannel(Tar.encode()),
    Stream.runCollect,
    // Throws only for contradictory entries, which the constructors do not make.
    Effect.orDie
  )
  const hash = createHash("sha256")
  for (const chunk of chunks) hash.update(chunk)
  const archive: Archive = { chunks, sha256: hash.digest("hex") }
  return archive
})
