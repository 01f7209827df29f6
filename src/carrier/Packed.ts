/**
 * Packs the blocks of a stream that compresses well, with zstd. A service log carries 10 MB/s for each task (moby,
 * `daemon/cluster/executor/container/controller.go`), and two engines, a relay and a listener copy every byte of a tunnel. A tunnel sends a
 * packed block in one record. A log sends it in pieces, one in each line.
 */
import { constants, zstdCompressSync, zstdDecompressSync } from "node:zlib"

/** A piece of a packed block in a log. `of`: the output of the block in its last piece; `More` in the others. */
export interface Packed {
  readonly _tag: "Packed"
  readonly data: Uint8Array
  readonly of: "Stdout" | "Stderr" | "More"
}

/** The most bytes of a block before it is packed, as a power of two. It is also the window of zstd. */
const maxBlockLog = 18
export const maxBlock = 2 ** maxBlockLog

/** The least bytes of a block that is packed. */
const minBlock = 1024

/** The most blocks that are sent unpacked before packing is tried again. */
const longestPause = 31

/** The options of zstd's fastest level. A function, because most runs pack nothing, and Node takes milliseconds to load zlib. */
const fastestLevel = () => ({ params: { [constants.ZSTD_c_compressionLevel]: 1 } })

/** Packs the blocks of one stream that compress well. */
export class Packer {
  /** The number of blocks to send unpacked after the next block that does not compress well. */
  private pause = 1
  private untried = 0

  /**
   * Returns the packed block; `undefined` if packing saves less than an eighth. Blocks of a stream that does not compress well are tried
   * less and less often, so such a stream costs almost no CPU time.
   */
  pack(block: Uint8Array): Uint8Array | undefined {
    if (block.length < minBlock) return undefined
    if (this.untried > 0) {
      this.untried--
      return undefined
    }
    const packed = zstdCompressSync(block, fastestLevel())
    if (packed.length <= block.length * (7 / 8)) {
      this.pause = 1
      return packed
    }
    this.untried = this.pause
    this.pause = Math.min(2 * this.pause + 1, longestPause)
    return undefined
  }
}

/** Unpacks a block; `undefined` if it is damaged, or longer than `most` or {@link maxBlock} bytes. */
export const unpack = (packed: Uint8Array, most = maxBlock): Uint8Array | undefined => {
  const maxOutputLength = Math.min(most, maxBlock)
  try {
    // With a spare byte, zlib returns its output buffer without a copy. A block that needs a larger window is damaged.
    return zstdDecompressSync(packed, {
      chunkSize: Math.max(maxOutputLength + 1, constants.Z_MIN_CHUNK),
      maxOutputLength,
      params: { [constants.ZSTD_d_windowLogMax]: maxBlockLog }
    })
  } catch {
    return undefined
  }
}

/** Joins the pieces of one sender's blocks and unpacks them. */
export class Unpacker {
  private pieces: ReadonlyArray<Uint8Array> = []
  private bytes = 0

  /**
   * Takes the next piece. Returns the output with the last piece of its block, and `undefined` before. `"Damaged"`: no block results, and
   * the piece was not taken.
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
