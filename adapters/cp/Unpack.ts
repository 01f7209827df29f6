/**
 * Unpacks an archive locally. The container is not trusted: no name or link in the archive can write outside the destination.
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

/** Options of {@link unpack}. */
export interface UnpackOptions {
  /** The name of the top entry in the archive. */
  readonly top: string
  /** The local path of the top entry. Its parent directory must exist. */
  readonly root: string
  /** The top entry is an existing directory, whose mode and times stay. */
  readonly keepRoot: boolean
  /** Set the owners in the archive. Needs root. */
  readonly owners: boolean
}

/** Errors of {@link unpack}, besides those of the archive's stream. Unpacked files stay; an incomplete file is removed. */
export type UnpackError = LocalFailed | UnsafeArchive | Tar.TarError

/**
 * Unpacks an archive. Files and links replace existing files and links. A directory never replaces a file, nor a file a directory. Modes
 * and times are those of the archive, regardless of the umask.
 */
export const unpack = Effect.fn("cp.unpack")(function* <E>(
  archive: Stream.Stream<Uint8Array, E>,
  options: UnpackOptions
): Effect.fn.Return<void, UnpackError | E> {
  const unpacker = new Unpacker(options)
  yield* archive.pipe(
    Stream.pipeThroughChannel(Tar.decode<E>()),
    Stream.runForEach((entry) => unpacker.unpack(entry))
  )
  yield* unpacker.finish
})

/** Unpacks the entries of one archive. */
class Unpacker {
  private readonly options: UnpackOptions
  /** Paths that are known to be directories, not links. */
  private readonly directories = new Set<string>()
  /** Unpacked directories. Their modes and times are set last, because files are still added to them. */
  private readonly unpackedDirectories: Array<{ readonly path: string; readonly header: Tar.Header }> = []

  constructor(options: UnpackOptions) {
    this.options = options
    if (options.keepRoot) this.directories.add(options.root)
  }

  /** Unpacks an entry. */
  unpack<E>({ body, header }: Tar.Entry<E>): Effect.Effect<void, UnpackError | E> {
    const self = this
    return Effect.gen(function* () {
      const path = yield* self.localPath(header.path, header.path)
      switch (header.type) {
        case "Directory":
          return yield* self.unpackDirectory(path, header)
        case "File":
          yield* self.removeExisting(path)
          return yield* writeFile(path, body, header, self.options.owners)
        case "Symlink":
          yield* self.removeExisting(path)
          yield* onPath(path, () => symlink(header.linkTarget ?? "", path))
          return yield* self.setMetadata(path, header)
        case "Hardlink": {
          const target = yield* self.localPath(header.linkTarget ?? "", header.path)
          yield* self.removeExisting(path)
          return yield* onPath(path, () => link(target, path))
        }
        default:
          yield* Effect.logWarning(`${path} is left out: it is neither a file nor a directory nor a link`)
      }
    })
  }

  /** Sets modes and times of directories, the deepest first. */
  readonly finish: Effect.Effect<void, LocalFailed> = Effect.suspend(() =>
    Effect.forEach(
      this.unpackedDirectories.toReversed(),
      ({ header, path }) =>
        Effect.andThen(
          this.setMetadata(path, header),
          onPath(path, () => chmod(path, header.mode))
        ),
      { discard: true }
    )
  )

  /** Returns the local path of an entry. Every parent must be a directory, not a link. */
  private localPath(name: string, entry: string): Effect.Effect<string, LocalFailed | UnsafeArchive> {
    const self = this
    return Effect.gen(function* () {
      const steps = yield* Result.match(namesTo(name, self.options.top), {
        onFailure: ({ detail }) => Effect.fail(new UnsafeArchive({ entry, detail })),
        onSuccess: (names) => Effect.succeed(names)
      })
      let path = self.options.root
      for (const step of steps) {
        yield* self.ensureDirectory(path, entry)
        path = join(path, step)
      }
      return path
    })
  }

  /** Makes sure that a parent of an entry is a directory. Creates it if it is missing. */
  private ensureDirectory(path: string, entry: string): Effect.Effect<void, LocalFailed | UnsafeArchive> {
    if (this.directories.has(path)) return Effect.void
    return Effect.gen({ self: this }, function* () {
      const found = yield* ifThere(path, () => lstat(path))
      if (found === undefined) yield* onPath(path, () => mkdir(path))
      else if (!found.isDirectory())
        return yield* new UnsafeArchive({ entry, detail: `passes through ${path}, which is not a directory` })
      this.directories.add(path)
    })
  }

  private unpackDirectory(path: string, header: Tar.Header): Effect.Effect<void, LocalFailed> {
    return Effect.gen({ self: this }, function* () {
      if (path === this.options.root && this.options.keepRoot) return
      const found = yield* ifThere(path, () => lstat(path))
      if (found === undefined) yield* onPath(path, () => mkdir(path, 0o700))
      else if (!found.isDirectory()) {
        return yield* new LocalFailed({ path, detail: "not a directory, but the source is one" })
      }
      this.directories.add(path)
      this.unpackedDirectories.push({ path, header })
    })
  }

  /** Removes an existing file or link at the path. Fails for a directory. */
  private removeExisting(path: string): Effect.Effect<void, LocalFailed> {
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

  /** Sets owner and times of a link or directory. */
  private setMetadata(path: string, { gid, mtime, uid }: Tar.Header): Effect.Effect<void, LocalFailed> {
    return onPath(path, async () => {
      if (this.options.owners) await lchown(path, uid, gid)
      await lutimes(path, mtime, mtime)
    })
  }
}

/** Writes a file. Removes it if it is incomplete. */
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
          // After the owner: chown clears the set-user-ID bits.
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
