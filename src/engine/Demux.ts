/**
 * Takes apart the engine's multiplexed stream (API reference, "Attach to a container", stream format): records of an
 * 8-byte header (stream number, three zero bytes, length as u32 big-endian) and their payload.
 *
 * Payload is handed on as it comes, never collected: one record may be many megabytes long.
 */

/** Which of the streams a piece belongs to. `system` is the engine's own complaint about the stream. */
export type Channel = "stdin" | "stdout" | "stderr" | "system"

/** A piece of one stream, as cut by the carrier. */
export interface Piece {
  readonly channel: Channel
  readonly data: Uint8Array
}

/** The bytes are not the engine's stream format, or end in the middle of a record. */
export class DemuxError extends Error {
  override readonly name = "DemuxError"
}

const headerBytes = 8
const channels: ReadonlyArray<Channel> = ["stdin", "stdout", "stderr", "system"]

/** One for each stream; chunks in, pieces out. Throws {@link DemuxError} on bytes that are no such stream. */
export class Demux {
  private readonly header = new Uint8Array(headerBytes)
  private filled = 0
  private channel: Channel = "stdout"
  private left = 0

  push(chunk: Uint8Array): ReadonlyArray<Piece> {
    const pieces: Array<Piece> = []
    let at = 0
    while (at < chunk.length) {
      if (this.left > 0) {
        const data = chunk.subarray(at, at + this.left)
        pieces.push({ channel: this.channel, data })
        at += data.length
        this.left -= data.length
        continue
      }
      const part = chunk.subarray(at, at + headerBytes - this.filled)
      this.header.set(part, this.filled)
      this.filled += part.length
      at += part.length
      if (this.filled === headerBytes) this.readHeader()
    }
    return pieces
  }

  /** To be called at the end of the stream: throws if it ends inside a record. */
  end(): void {
    if (this.left > 0 || this.filled > 0) throw new DemuxError("the engine's stream ended in the middle of a record")
  }

  private readHeader(): void {
    const view = new DataView(this.header.buffer)
    const channel = channels[view.getUint8(0)]
    if (channel === undefined || view.getUint16(1) !== 0 || view.getUint8(3) !== 0) {
      throw new DemuxError(`invalid record in the engine's stream: ${Buffer.from(this.header).toString("hex")}`)
    }
    this.channel = channel
    this.left = view.getUint32(4)
    this.filled = 0
  }
}
