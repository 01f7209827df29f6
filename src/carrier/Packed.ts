/**
 * Packs output that compresses well. A service log carries 10 MB/s for each task (moby,
 * `daemon/cluster/executor/container/controller.go`), so a block of output is compressed with zstd, and cut into as many
 * pieces as lines of the log take.
 */
import { constants, zstdCompressSync, zstdDecompressSync } from "node:zlib"

/** A piece of a packed block. The last piece says which output the block is of. */
export interface Packed {
  readonly _tag: "Packed"
  readonly data: Uint8Array
  readonly of: "Stdout" | "Stderr" | "More"
}

/** Output bytes of one block at most. */
export const maxBlock = 256 * 1024

/** Output bytes that are worth packing at least. */
const minBlock = 1024

/** zstd's quickest level. A function, as most runs pack nothing, and Node takes milliseconds to load zlib. */
const quickest = () => ({ params: { [constants.ZSTD_c_compressionLevel]: 1 } })

/** The block compressed, or `undefined` where that takes as many bytes. */
export const pack = (output: Uint8Array): Uint8Array | undefined => {
  if (output.length < minBlock) return undefined
  const packed = zstdCompressSync(output, quickest())
  return packed.length < output.length ? packed : undefined
}

const unpack = (block: Uint8Array): Uint8Array | undefined => {
  try {
    return zstdDecompressSync(block, { maxOutputLength: maxBlock })
  } catch {
    return undefined
  }
}

/** Puts the blocks of one sender together from their pieces. */
export class Unpacker {
  private pieces: ReadonlyArray<Uint8Array> = []
  private bytes = 0

  /**
   * Takes the next piece; gives the output with the last piece of its block, and nothing before. `"Damaged"`: the piece leads to no
   * block, and was not taken.
   */
  take({
    data,
    of
  }: Packed): { readonly _tag: "Stdout" | "Stderr"; readonly data: Uint8Array } | undefined | "Damaged" {
    const pieces = [...this.pieces, data]
    const bytes = this.bytes + data.length
    if (bytes > maxBlock) return "Damaged"
    const output = of === "More" ? undefined : unpack(Buffer.concat(pieces))
    if (of !== "More" && output === undefined) return "Damaged"
    this.pieces = of === "More" ? pieces : []
    this.bytes = of === "More" ? bytes : 0
    return of === "More" || output === undefined ? undefined : { _tag: of, data: output }
  }
}
