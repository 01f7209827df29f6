/** Reads ELF files: the shared libraries of a program, and the part of the file that is loaded. Removes symbols, and adds notes. */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"

/** The file is not a 64-bit little-endian program or library. */
export class NotElf extends Schema.TaggedError<NotElf>()("NotElf", { detail: Schema.String }) {
  override get message(): string {
    return `not a 64-bit little-endian ELF file: ${this.detail}`
  }
}

/** The headers of a program or shared library. */
export interface Elf {
  /** Number of the processor architecture: 62 is x86-64, 183 is arm64. */
  readonly machine: number
  /** Path of the dynamic loader. A library or a static program has none. */
  readonly interpreter: string | undefined
  /** File names of the needed shared libraries, in the file's order. */
  readonly needed: ReadonlyArray<string>
  /** Length in bytes of the part that is loaded. Symbol tables and debug information follow it. */
  readonly loadedBytes: number
}

const loadable = 1
const dynamic = 2
const interpreter = 3
const note = 4
const headerBytes = 64

interface Segment {
  /** Offset of the segment's header. */
  readonly entry: number
  readonly type: number
  readonly offset: number
  readonly address: number
  /** Size in the file. */
  readonly bytes: number
  /** Size in memory. It can be larger: zeros follow. */
  readonly size: number
}

const bufferOf = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)

const readSegments = (file: Buffer): ReadonlyArray<Segment> => {
  const first = Number(file.readBigUInt64LE(32))
  const entryBytes = file.readUInt16LE(54)
  return Array.from({ length: file.readUInt16LE(56) }, (_, index) => {
    const at = first + index * entryBytes
    return {
      entry: at,
      type: file.readUInt32LE(at),
      offset: Number(file.readBigUInt64LE(at + 8)),
      address: Number(file.readBigUInt64LE(at + 16)),
      bytes: Number(file.readBigUInt64LE(at + 32)),
      size: Number(file.readBigUInt64LE(at + 40))
    }
  })
}

const readText = (file: Buffer, offset: number): string =>
  file.toString("utf8", offset, file.indexOf(0, offset, "latin1"))

/** Returns the names of the libraries. The dynamic section has their offsets in the string table, and the table's address in memory. */
const readNeeded = (file: Buffer, segments: ReadonlyArray<Segment>): ReadonlyArray<string> => {
  const section = segments.find((segment) => segment.type === dynamic)
  if (section === undefined) return []
  const names: Array<number> = []
  let strings = 0
  for (let at = section.offset; at < section.offset + section.bytes; at += 16) {
    const tag = Number(file.readBigInt64LE(at))
    const value = Number(file.readBigUInt64LE(at + 8))
    if (tag === 0) break
    if (tag === 1) names.push(value)
    if (tag === 5) strings = value
  }
  const home = segments.find(
    ({ type, address, bytes }) => type === loadable && address <= strings && strings < address + bytes
  )
  if (home === undefined) return []
  return names.map((name) => readText(file, strings - home.address + home.offset + name))
}

/** Reads the headers of a program or shared library. Fails with `NotElf`. */
export const parseElf = (bytes: Uint8Array): Result.Result<Elf, NotElf> => {
  const file = bufferOf(bytes)
  if (file.length < headerBytes || file.readUInt32BE(0) !== 0x7f454c46) {
    return Result.fail(new NotElf({ detail: "no ELF header" }))
  }
  if (file[4] !== 2 || file[5] !== 1) return Result.fail(new NotElf({ detail: "32 bits, or big-endian" }))
  return Result.try({
    try: () => {
      const segments = readSegments(file)
      const loader = segments.find((segment) => segment.type === interpreter)
      return {
        machine: file.readUInt16LE(18),
        interpreter: loader === undefined ? undefined : readText(file, loader.offset),
        needed: readNeeded(file, segments),
        loadedBytes: segments.reduce((end, { offset, bytes }) => Math.max(end, offset + bytes), headerBytes)
      }
    },
    catch: (cause) => new NotElf({ detail: cause instanceof Error ? cause.message : String(cause) })
  })
}

/** Returns the part of the program that is loaded, as `strip` does, in two pieces. Does not change `file`. */
export const withoutSymbols = (bytes: Uint8Array, elf: Elf): readonly [Uint8Array, Uint8Array] => {
  const header = Buffer.from(bytes.subarray(0, headerBytes))
  // The section table is removed with the symbols: the header must not refer to it.
  header.writeBigUInt64LE(0n, 40)
  header.writeUInt16LE(0, 60)
  header.writeUInt16LE(0, 62)
  return [header, bytes.subarray(headerBytes, elf.loadedBytes)]
}

/**
 * Removes the symbols of a program and adds a named note, which the program finds in its memory. The note is at the end of the last loaded
 * segment, after its zeros. Its header replaces that of the compiler's notes.
 */
export const withNote = (program: Uint8Array, name: string, content: Uint8Array): Result.Result<Buffer, NotElf> =>
  Result.flatMap(parseElf(program), (elf) => {
    const segments = readSegments(bufferOf(program))
    const last = segments.filter(({ type }) => type === loadable).at(-1)
    const notes = segments.find(({ type }) => type === note)
    if (last === undefined || notes === undefined || last.offset + last.bytes !== elf.loadedBytes) {
      return Result.fail(new NotElf({ detail: "no space for a note" }))
    }
    const at = roundUp(last.size)
    const owner = Buffer.alloc(roundUp(name.length + 1))
    owner.write(name)
    const head = Buffer.alloc(noteHeaderBytes)
    head.writeUInt32LE(name.length + 1, 0)
    head.writeUInt32LE(content.length, 4)
    const size = head.length + owner.length + content.length
    const zeros = Buffer.alloc(at - last.bytes)
    const file = Buffer.concat([...withoutSymbols(program, elf), zeros, head, owner, content])
    const write = (entry: number, fields: ReadonlyArray<readonly [at: number, value: number]>) => {
      for (const [at, value] of fields) file.writeBigUInt64LE(BigInt(value), entry + at)
    }
    write(last.entry, [
      [32, at + size],
      [40, at + size]
    ])
    write(notes.entry, [
      [8, last.offset + at],
      [16, last.address + at],
      [24, last.address + at],
      [32, size],
      [40, size],
      [48, 4]
    ])
    return Result.succeed(file)
  })

const noteHeaderBytes = 12

/** Returns the next multiple of 4, at which each part of a note begins. */
const roundUp = (bytes: number): number => Math.ceil(bytes / 4) * 4
