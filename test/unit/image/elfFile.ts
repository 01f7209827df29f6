/** The properties of a generated program or library. */
export interface ElfFile {
  readonly machine?: number
  readonly interpreter?: string
  readonly needed?: ReadonlyArray<string>
  /** Bytes of symbols after the loaded part. */
  readonly symbols?: number
  /** Bytes of zeros that exist in memory only. */
  readonly zeros?: number
  /** Whether it has a note segment, without notes. */
  readonly notes?: boolean
}

/** The parts of an ELF file that a reader of its headers uses: the header, up to four segments, and symbols. */
export const elfFile = (options: ElfFile): Buffer => {
  const { machine = 62, interpreter, needed = [], notes = false, symbols = 0, zeros = 0 } = options
  const loader = Buffer.from(interpreter === undefined ? "" : `${interpreter}\0`)
  const strings = Buffer.from(`\0${needed.map((name) => `${name}\0`).join("")}`)
  const headers = 64 + 4 * 56
  // The address of the file in memory. It is not 0, so that a reader that confuses addresses with offsets fails.
  const base = 0x40_0000n
  const dynamicAt = headers + loader.length + strings.length
  const dynamic = Buffer.alloc((needed.length + 2) * 16)
  let offset = 1n
  needed.forEach((name, index) => {
    dynamic.writeBigUInt64LE(1n, index * 16)
    dynamic.writeBigUInt64LE(offset, index * 16 + 8)
    offset += BigInt(name.length + 1)
  })
  dynamic.writeBigUInt64LE(5n, needed.length * 16)
  dynamic.writeBigUInt64LE(base + BigInt(headers + loader.length), needed.length * 16 + 8)

  const header = Buffer.alloc(headers)
  header.write("\x7fELF\x02\x01\x01", "latin1")
  header.writeUInt16LE(machine, 18)
  header.writeBigUInt64LE(64n, 32)
  header.writeBigUInt64LE(0xabcdn, 40)
  header.writeUInt16LE(56, 54)
  header.writeUInt16LE(4, 56)
  header.writeUInt16LE(9, 60)
  header.writeUInt16LE(8, 62)
  const loaded = dynamicAt + dynamic.length
  const segments: ReadonlyArray<readonly [type: number, offset: number, bytes: number]> = [
    [interpreter === undefined ? 0 : 3, headers, loader.length],
    [1, 0, loaded],
    [2, dynamicAt, dynamic.length],
    [notes ? 4 : 0, 0, 0]
  ]
  segments.forEach(([type, at, bytes], index) => {
    const entry = 64 + index * 56
    header.writeUInt32LE(type, entry)
    header.writeBigUInt64LE(BigInt(at), entry + 8)
    header.writeBigUInt64LE(base + BigInt(at), entry + 16)
    header.writeBigUInt64LE(BigInt(bytes), entry + 32)
    header.writeBigUInt64LE(BigInt(type === 1 ? bytes + zeros : bytes), entry + 40)
  })
  return Buffer.concat([header, loader, strings, dynamic, Buffer.alloc(symbols, 0xee)])
}
