/**
 * The frames of a tunnel, and their encoding. The connection below (TLS) keeps them complete and in order.
 *
 *     kind     u8   the type of the payload
 *     stream   u8   the stream of the data or credit: 0 none, 1 stdin, 2 stdout, 3 stderr
 *     channel  u16  the number of the command, because several commands share a tunnel
 *     length   u32  bytes of payload, at most {@link maxFrame}
 *     payload
 */

import { maxBlock } from "./Packed.ts"

/** The streams of bytes of one command. */
export type StreamName = "stdin" | "stdout" | "stderr"

/** A frame: a record with its channel. */
export type TunnelFrame = {
  /** 0 to {@link maxChannel}. */
  readonly channel: number
} & TunnelRecord

/** The content of a record. */
export type TunnelRecord =
  /** Bytes of a stream, for which the receiver has given credit. */
  | { readonly _tag: "Data"; readonly stream: StreamName; readonly data: Uint8Array }
  /** A packed block of a stream (`Packed.ts`). `bytes`: its size unpacked, for which the receiver has given credit. */
  | { readonly _tag: "Packed"; readonly stream: StreamName; readonly bytes: number; readonly data: Uint8Array }
  /** The stream has ended. */
  | { readonly _tag: "End"; readonly stream: StreamName }
  /** The other side may send this number of further bytes of the stream. */
  | { readonly _tag: "Credit"; readonly stream: StreamName; readonly bytes: number }
  /** A JSON document. */
  | { readonly _tag: "Document"; readonly text: string }
  /** The sender sends nothing more on this channel. */
  | { readonly _tag: "Close" }
  /** Shows that the sender is alive. */
  | { readonly _tag: "Ping" }

/** The bytes are not valid frames. */
export class TunnelFrameError extends Error {
  override readonly name = "TunnelFrameError"
}

const kinds = { Data: 1, End: 2, Credit: 3, Document: 4, Ping: 5, Close: 6, Packed: 7 } as const
const streams: ReadonlyArray<StreamName | undefined> = [undefined, "stdin", "stdout", "stderr"]
const headerBytes = 8

/** The last channel. */
export const maxChannel = 0xffff

/** The most payload of a frame, in bytes. A longer frame is an error. */
export const maxFrame = 1024 * 1024

const u32 = (value: number): Buffer => {
  const bytes = Buffer.allocUnsafe(4)
  bytes.writeUInt32BE(value)
  return bytes
}

const payloadOf = (frame: TunnelRecord): Uint8Array => {
  switch (frame._tag) {
    case "Data":
      return frame.data
    case "Packed":
      return Buffer.concat([u32(frame.bytes), frame.data])
    case "Credit":
      return u32(frame.bytes)
    case "Document":
      return Buffer.from(frame.text)
    case "End":
    case "Close":
    case "Ping":
      return new Uint8Array()
  }
}

/** Encodes a frame as a header and a payload. */
export const encodeFrame = (frame: TunnelFrame): readonly [header: Uint8Array, payload: Uint8Array] => {
  const payload = payloadOf(frame)
  const header = Buffer.allocUnsafe(headerBytes)
  header.writeUInt8(kinds[frame._tag], 0)
  header.writeUInt8("stream" in frame ? streams.indexOf(frame.stream) : 0, 1)
  header.writeUInt16BE(frame.channel, 2)
  header.writeUInt32BE(payload.length, 4)
  return [header, payload]
}

/**
 * Reads frames from chunks that may split anywhere. Emits the bytes of a stream as they arrive, so one frame may become several.
 */
export class TunnelFrameReader {
  private header = Buffer.alloc(headerBytes)
  private filled = 0
  private left = 0
  private pieces: Array<Uint8Array> = []

  /** Returns the frames that this chunk completes. Throws {@link TunnelFrameError} on invalid bytes. */
  push(chunk: Uint8Array): ReadonlyArray<TunnelFrame> {
    const frames: Array<TunnelFrame> = []
    let at = 0
    while (at < chunk.length || (this.filled === headerBytes && this.left === 0)) {
      if (this.filled < headerBytes) {
        const part = chunk.subarray(at, at + headerBytes - this.filled)
        this.header.set(part, this.filled)
        this.filled += part.length
        at += part.length
        if (this.filled < headerBytes) break
        this.left = this.header.readUInt32BE(4)
        const most = this.header.readUInt8(0) === kinds.Packed ? maxBlock : maxFrame
        if (this.left > most) throw new TunnelFrameError(`a frame of ${this.left} bytes`)
      }
      const part = chunk.subarray(at, at + this.left)
      at += part.length
      this.left -= part.length
      const record = this.take(part)
      if (record !== undefined) frames.push({ channel: this.header.readUInt16BE(2), ...record })
      if (this.left === 0) this.filled = 0
    }
    return frames
  }

  private take(part: Uint8Array): TunnelRecord | undefined {
    const kind = this.header.readUInt8(0)
    const stream = streams[this.header.readUInt8(1)]
    if (kind === kinds.Data && stream !== undefined) {
      return part.length === 0 ? undefined : { _tag: "Data", stream, data: part }
    }
    this.pieces.push(part)
    if (this.left > 0) return undefined
    const payload = Buffer.concat(this.pieces)
    this.pieces = []
    if (kind === kinds.Packed && stream !== undefined && payload.length > 4) {
      return { _tag: "Packed", stream, bytes: payload.readUInt32BE(), data: payload.subarray(4) }
    }
    if (kind === kinds.Document) return { _tag: "Document", text: payload.toString("utf8") }
    if (kind === kinds.Ping) return { _tag: "Ping" }
    if (kind === kinds.Close) return { _tag: "Close" }
    if (kind === kinds.End && stream !== undefined) return { _tag: "End", stream }
    if (kind === kinds.Credit && stream !== undefined && payload.length === 4) {
      return { _tag: "Credit", stream, bytes: payload.readUInt32BE() }
    }
    throw new TunnelFrameError(`a frame of unknown kind ${kind}, stream ${this.header.readUInt8(1)}`)
  }
}
