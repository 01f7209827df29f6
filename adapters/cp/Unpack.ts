/**
 * Unpacks an archive on this machine. The container that it comes from is not trusted: nothing is written outside of the
 * destination, whatever names and links the archive has.
 */
import { constants, type Stats } from "node:fs"
import { chmod, type FileHandle, lchown, link, lstat, lutimes, mkdir, open, symlink, unlink } from "node:fs/promises"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Tar from "effect/encoding/Tar"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import { ifThere, LocalFailed, onPath } from "../command/LocalFailed.ts"
import { namesTo, UnsafeArchive } from "./ArchivePath.ts"

/** What to unpack, and where. */
export interface UnpackOptions {
  /** What the archive calls its top. */
  readonly top: string
  /** What its top becomes here; the directory that it is in must be there. */
  readonly root: string
  /** The top is a directory that is there, and stays as it is. */
  readonly keepRoot: boolean
  /** Give the files to whom the archive says; only root can. */
  readonly owners: boolean
}

/** How it can fail, beside the archive's own errors. What was unpacked by then stays, except for a file that is not complete. */
export type UnpackError = LocalFailed | UnsafeArchive | Tar.TarError

/**
 * Files and links take the place of what is there; a directory never takes that of a file, nor a file that of a directory.
 * Modes and times are those of the archive, whatever the umask.
 */
export const unpack = Effect.fn("cp.unpack")(function* <E>(
  archive: Stream.Stream<Uint8Array, E>,
  options: UnpackOptions
): Effect.fn.Return<void, UnpackError | E> {
  const place = new Place(options)
  yield* archive.pipe(
    Stream.pipeThroughChannel(Tar.decode<E>()),
    Stream.runForEach((entry) => place.put(entry))
  )
  yield* place.finish
})

class Place {
  private readonly options: UnpackOptions
  /** What is known to be a directory, and no link to one. */
  private readonly directories = new Set<string>()
  /** Directories that were unpacked: what is put in changes their times, and they may forbid it. */
  private readonly unfinished: Array<{ readonly path: string; readonly header: Tar.Header }> = []

  constructor(options: UnpackOptions) {
    this.options = options
    if (options.keepRoot) this.directories.add(options.root)
  }

  put<E>({ body, header }: Tar.Entry<E>): Effect.Effect<void, UnpackError | E> {
    const place = this
    return Effect.gen(function* () {
      const path = yield* place.pathOf(header.path, header.path)
      switch (header.type) {
        case "Directory":
          return yield* place.directory(path, header)
        case "File":
          yield* place.vacate(path)
          return yield* writeFile(path, body, header, place.options.owners)
        case "Symlink":
          yield* place.vacate(path)
          yield* onPath(path, () => symlink(header.linkTarget ?? "", path))
          return yield* place.dress(path, header)
        case "Hardlink": {
          const target = yield* place.pathOf(header.linkTarget ?? "", header.path)
          yield* place.vacate(path)
          return yield* onPath(path, () => link(target, path))
        }
        default:
          yield* Effect.logWarning(`${path} is left out: it is neither a file nor a directory nor a link`)
      }
    })
  }

  /** The directories get their modes and times, the deepest first. */
  readonly finish: Effect.Effect<void, LocalFailed> = Effect.suspend(() =>
    Effect.forEach(
      this.unfinished.toReversed(),
      ({ header, path }) =>
        Effect.andThen(
          this.dress(path, header),
          onPath(path, () => chmod(path, header.mode))
        ),
      { discard: true }
    )
  )

  /** The local path of a name in the archive. Each directory of the path must be a directory and no link. */
  private pathOf(name: string, entry: string): Effect.Effect<string, LocalFailed | UnsafeArchive> {
    const place = this
    return Effect.gen(function* () {
      const steps = yield* Result.match(namesTo(name, place.options.top), {
        onFailure: ({ detail }) => Effect.fail(new UnsafeArchive({ entry, detail })),
        onSuccess: (names) => Effect.succeed(names)
      })
      let path = place.options.root
      for (const step of steps) {
        yield* place.enter(path, entry)
        path = join(path, step)
      }
      return path
    })
  }

  private enter(path: string, entry: string): Effect.Effect<void, LocalFailed | UnsafeArchive> {
    if (this.directories.has(path)) return Effect.void
    return Effect.gen({ self: this }, function* () {
      const found = yield* ifThere(path, () => lstat(path))
      if (found === undefined) yield* onPath(path, () => mkdir(path))
      else if (!found.isDirectory())
        return yield* new UnsafeArchive({ entry, detail: `passes through ${path}, which is not a directory` })
      this.directories.add(path)
    })
  }

  private directory(path: string, header: Tar.Header): Effect.Effect<void, LocalFailed> {
    return Effect.gen({ self: this }, function* () {
      if (path === this.options.root && this.options.keepRoot) return
      const found = yield* ifThere(path, () => lstat(path))
      if (found === undefined) yield* onPath(path, () => mkdir(path, 0o700))
      else if (!found.isDirectory()) {
        return yield* new LocalFailed({ path, detail: "not a directory, but the source is one" })
      }
      this.directories.add(path)
      this.unfinished.push({ path, header })
    })
  }

  /** What is at the path makes place, unless it is a directory. */
  private vacate(path: string): Effect.Effect<void, LocalFailed> {
    return Effect.flatMap(
      ifThere(path, () => lstat(path)),
      (found: Stats | undefined) => {
        if (found === undefined) return Effect.void
        return found.isDirectory()
          ? Effect.fail(new LocalFailed({ path, detail: "is a directory, but the source is a file" }))
          : onPath(path, () => unlink(path))
      }
    )
  }

  /** Owner and times of what is not open. */
  private dress(path: string, { gid, mtime, uid }: Tar.Header): Effect.Effect<void, LocalFailed> {
    return onPath(path, async () => {
      if (this.options.owners) await lchown(path, uid, gid)
      await lutimes(path, mtime, mtime)
    })
  }
}

/** One that is not complete is removed again. */
const writeFile = <E>(
  path: string,
  body: Stream.Stream<Uint8Array, E>,
  { gid, mode, mtime, uid }: Tar.Header,
  owners: boolean
): Effect.Effect<void, LocalFailed | E> =>
  Effect.acquireUseRelease(
    onPath(path, () =>
      open(path, constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY | constants.O_NOFOLLOW, 0o600)
    ),
    (file) =>
      Effect.andThen(
        Stream.runForEach(body, (chunk) => onPath(path, () => writeChunk(file, chunk))),
        onPath(path, async () => {
          if (owners) await file.chown(uid, gid)
          // After the owner, which takes the set-user-ID bits away.
          await file.chmod(mode)
          await file.utimes(mtime, mtime)
        })
      ),
    (file, exit) =>
      Effect.promise(async () => {
        await file.close()
        if (exit._tag === "Failure") await unlink(path)
      })
  )

const writeChunk = async (file: FileHandle, chunk: Uint8Array): Promise<void> => {
  for (let at = 0; at < chunk.length; ) at += (await file.write(chunk, at)).bytesWritten
}
