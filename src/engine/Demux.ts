/**
 * Splits the engine's multiplexed stream (API reference, "Attach to a container", stream format). A record is an 8-byte header (stream
 * number, three zero bytes, length as u32 big-endian) and its payload.
 *
 * Payload is emitted as it arrives and never collected, because a record may be many megabytes long.
 */

/** The stream of a piece. `system` carries the engine's errors about the stream. */
export type Channel = "stdin" | "stdout" | "stderr" | "system"

/** A piece of one stream: the part of a record that a chunk holds. */
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

/** Splits the chunks of one stream into pieces. Throws {@link DemuxError} on invalid bytes. */
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

  /** Throws if the stream ends inside a record. Call it at the end of the stream. */
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
