/**
 * Packs the blocks of a stream that compresses well, with zstd. A service log carries 10 MB/s for each task (moby,
 * `daemon/cluster/executor/container/controller.go`), and every byte of a tunnel is copied by two engines, a relay and a listener. A
 * tunnel sends a packed block in one record; a log sends it in pieces, one for each line.
 */
import { constants, zstdCompressSync, zstdDecompressSync } from "node:zlib"

/** A piece of a packed block in a log. The last piece says which output the block is of. */
export interface Packed {
  readonly _tag: "Packed"
  readonly data: Uint8Array
  readonly of: "Stdout" | "Stderr" | "More"
}

/** Bytes of one block at most, before it is packed: a power of two, which is as far back as a packed block refers. */
const maxBlockLog = 18
export const maxBlock = 2 ** maxBlockLog

/** Bytes that are worth packing at least. */
const minBlock = 1024

/** Blocks that are sent as they are before one is tried again, at most. */
const longestPause = 31

/** zstd's quickest level. A function, as most runs pack nothing, and Node takes milliseconds to load zlib. */
const quickest = () => ({ params: { [constants.ZSTD_c_compressionLevel]: 1 } })

/** Decides for each block of one stream whether it is packed. One for each stream. */
export class Packer {
  /** Blocks that are not tried after the next one that does not pay. */
  private pause = 1
  private untried = 0

  /**
   * The block compressed, or `undefined` where that saves less than an eighth. A stream of such blocks is tried less and less
   * often: what is compressed already costs next to nothing.
   */
  pack(block: Uint8Array): Uint8Array | undefined {
    if (block.length < minBlock) return undefined
    if (this.untried > 0) {
      this.untried--
      return undefined
    }
    const packed = zstdCompressSync(block, quickest())
    if (packed.length <= block.length * (7 / 8)) {
      this.pause = 1
      return packed
    }
    this.untried = this.pause
    this.pause = Math.min(2 * this.pause + 1, longestPause)
    return undefined
  }
}

/** A block as it was, or `undefined` where it is damaged or longer than `most` or {@link maxBlock} bytes. */
export const unpack = (packed: Uint8Array, most = maxBlock): Uint8Array | undefined => {
  const maxOutputLength = Math.min(most, maxBlock)
  try {
    // With a byte to spare, all of it is in one piece, which is not copied. A block that asks for more memory is damaged.
    return zstdDecompressSync(packed, {
      chunkSize: Math.max(maxOutputLength + 1, constants.Z_MIN_CHUNK),
      maxOutputLength,
      params: { [constants.ZSTD_d_windowLogMax]: maxBlockLog }
    })
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
