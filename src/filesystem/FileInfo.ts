/** Converts an engine's description of a file to that of Effect's `FileSystem`. */
import * as ByteSize from "effect/ByteSize"
import type { EntryType } from "effect/encoding/Tar"
import type { File } from "effect/FileSystem"
import * as Option from "effect/Option"
import type { PathStat } from "../engine/EngineSchemas.ts"

/** The types of files: the bit of Go's `os.FileMode`, and the bits of POSIX's `st_mode`. */
const types: ReadonlyArray<readonly [bit: number, type: File.Type, posix: number]> = [
  [31, "Directory", 0o040000],
  [27, "SymbolicLink", 0o120000],
  [25, "FIFO", 0o010000],
  [24, "Socket", 0o140000],
  // A character device also has the bit of block devices, so it comes first.
  [21, "CharacterDevice", 0o020000],
  [26, "BlockDevice", 0o060000]
]
const regular = ["", "File", 0o100000] as const

/** Setuid, setgid and sticky: the bit of Go's `os.FileMode`, and the bits of POSIX's `st_mode`. */
const specials = [
  [23, 0o4000],
  [22, 0o2000],
  [20, 0o1000]
] as const

const has = (mode: number, bit: number): boolean => Math.floor(mode / 2 ** bit) % 2 === 1

/** Returns the type of a file. */
export const typeOf = ({ mode }: PathStat): File.Type => (types.find(([bit]) => has(mode, bit)) ?? regular)[1]

/** Returns the permissions of a file, with setuid, setgid and sticky. */
export const permissionsOf = ({ mode }: PathStat): number =>
  specials.reduce((sum, [bit, posix]) => sum + (has(mode, bit) ? posix : 0), mode % 0o1000)

/** Returns the information about a file. Engines report neither its owner nor its device. */
export const infoOf = (stat: PathStat): File.Info => {
  const [, type, posix] = types.find(([bit]) => has(stat.mode, bit)) ?? regular
  const mtime = new Date(stat.mtime)
  return {
    type,
    mtime: Number.isNaN(mtime.getTime()) ? Option.none() : Option.some(mtime),
    atime: Option.none(),
    birthtime: Option.none(),
    dev: 0n,
    ino: Option.none(),
    mode: posix + permissionsOf(stat),
    nlink: Option.none(),
    uid: Option.none(),
    gid: Option.none(),
    rdev: Option.none(),
    size: ByteSize.bytes(Math.max(0, stat.size)),
    blksize: Option.none(),
    blocks: Option.none()
  }
}

/** The types of the entries of an archive. */
export const typeOfEntry: Readonly<Record<EntryType, File.Type>> = {
  File: "File",
  Hardlink: "File",
  Directory: "Directory",
  Symlink: "SymbolicLink",
  CharDevice: "CharacterDevice",
  BlockDevice: "BlockDevice",
  Fifo: "FIFO",
  Other: "Unknown"
}
