/** Packs local files into a tar archive. */
import type { Stats } from "node:fs"
import { constants } from "node:fs"
import { lstat, open, readdir, readlink } from "node:fs/promises"
import * as Effect from "effect/Effect"
import * as Tar from "effect/encoding/Tar"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { LocalFailed, localFailed, onPath } from "../command/LocalFailed.ts"
import type { LocalSource } from "./LocalPath.ts"

/** The bytes of one read. */
const piece = 256 * 1024

type Entry = Tar.Entry<LocalFailed>

/**
 * Returns the archive of a source, under the name `name`. Symbolic links and hard links stay links. Files of other types (sockets, devices)
 * are skipped with a warning.
 */
export const pack = (source: LocalSource, name: string): Stream.Stream<Uint8Array, LocalFailed> => {
  const names = new Map<string, string>()
  return walk(source.path, name).pipe(
    Stream.mapEffect((found) => entryOf(found, names)),
    Stream.flattenIterable,
    Stream.pipeThroughChannel(Tar.encode<LocalFailed, unknown, Entry>()),
    Stream.mapError((error) =>
      error instanceof LocalFailed ? error : new LocalFailed({ path: source.path, detail: error.message })
    )
  )
}

/** Returns the total size of the files of a source, in bytes. */
export const sizeOf = (source: LocalSource): Effect.Effect<number, LocalFailed> =>
  Stream.runFold(
    walk(source.path, "."),
    () => 0,
    (sum, { stats }) => (stats.isFile() ? sum + stats.size : sum)
  )

interface Found {
  readonly path: string
  readonly name: string
  readonly stats: Stats
}

/** Emits a path and everything below it. */
const walk = (path: string, name: string): Stream.Stream<Found, LocalFailed> =>
  Stream.unwrap(
    Effect.gen(function* () {
      const stats = yield* onPath(path, () => lstat(path))
      const self = Stream.make({ path, name, stats })
      if (!stats.isDirectory()) return self
      const children = yield* onPath(path, () => readdir(path))
      const below = Stream.flatMap(Stream.fromIterable(children.sort()), (child) =>
        walk(path.endsWith("/") ? `${path}${child}` : `${path}/${child}`, `${name}/${child}`)
      )
      return Stream.concat(self, below)
    })
  )

const entryOf = Effect.fnUntraced(function* (
  { name, path, stats }: Found,
  names: Map<string, string>
): Effect.fn.Return<ReadonlyArray<Entry>, LocalFailed> {
  // `stats.mtime` is rounded, which can be the next second.
  const mtime = new Date(Math.floor(stats.mtimeMs))
  const options = { mode: stats.mode, uid: stats.uid, gid: stats.gid, mtime }
  if (stats.isDirectory()) return [Tar.directory(name, options)]
  if (stats.isSymbolicLink()) return [Tar.symlink(name, yield* onPath(path, () => readlink(path)), options)]
  if (!stats.isFile()) {
    yield* Effect.logWarning(`${path} is left out: it is neither a file nor a directory nor a symbolic link`)
    return []
  }
  if (stats.nlink > 1) {
    const file = `${stats.dev} ${stats.ino}`
    const known = names.get(file)
    if (known !== undefined) return [Tar.hardlink(name, known, options)]
    names.set(file, name)
  }
  return [Tar.fileStream(name, stats.size, content(path, stats.size), options)]
})

/** Reads the first `size` bytes of a file, which may grow in the meantime. */
const content = (path: string, size: number): Stream.Stream<Uint8Array, LocalFailed> =>
  Stream.unwrap(
    Effect.gen(function* () {
      const file = yield* Effect.acquireRelease(
        onPath(path, () => open(path, constants.O_RDONLY | constants.O_NOFOLLOW)),
        (file) => Effect.promise(() => file.close())
      )
      return Stream.paginate(0, (at) =>
        Effect.tryPromise({
          try: async (): Promise<readonly [ReadonlyArray<Uint8Array>, Option.Option<number>]> => {
            const { buffer, bytesRead } = await file.read(Buffer.allocUnsafe(Math.min(piece, size - at)), 0, null, at)
            const next = at + bytesRead
            return [
              bytesRead === 0 ? [] : [buffer.subarray(0, bytesRead)],
              bytesRead === 0 || next === size ? Option.none() : Option.some(next)
            ]
          },
          catch: (error) => localFailed(path, error)
        })
      )
    })
  )
