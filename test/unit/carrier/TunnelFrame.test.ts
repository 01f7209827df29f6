import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import { maxBlock } from "../../../src/carrier/Packed.ts"
import {
  encodeFrame,
  maxChannel,
  maxFrame,
  type TunnelFrame,
  TunnelFrameError,
  TunnelFrameReader
} from "../../../src/carrier/TunnelFrame.ts"

const encode = (frames: ReadonlyArray<TunnelFrame>) => Buffer.concat(frames.flatMap((frame) => [...encodeFrame(frame)]))

/** Joins consecutive bytes of a stream: their division into frames does not matter. */
const joined = (frames: ReadonlyArray<TunnelFrame>) => {
  const all: Array<unknown> = []
  let run: { readonly channel: number; readonly stream: string; data: string } | undefined
  for (const frame of frames) {
    if (frame._tag !== "Data") {
      run = undefined
      all.push(plain(frame))
    } else if (run?.stream === frame.stream && run.channel === frame.channel)
      run.data += Buffer.from(frame.data).toString("hex")
    else {
      run = { channel: frame.channel, stream: frame.stream, data: Buffer.from(frame.data).toString("hex") }
      all.push(run)
    }
  }
  return all
}

/** Compares payloads as bytes, whatever their class. */
const plain = (frame: TunnelFrame) =>
  frame._tag === "Packed" ? { ...frame, data: Buffer.from(frame.data).toString("hex") } : frame

const Stream = Schema.Literals(["stdin", "stdout", "stderr"])
const channel = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: maxChannel })))
const u32 = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 0xffffffff })))
const Frames = Schema.Array(
  Schema.Union([
    Schema.TaggedStruct("Data", { channel, stream: Stream, data: Schema.Uint8Array }),
    Schema.TaggedStruct("End", { channel, stream: Stream }),
    Schema.TaggedStruct("Credit", {
      channel,
      stream: Stream,
      bytes: u32
    }),
    Schema.TaggedStruct("Packed", {
      channel,
      stream: Stream,
      bytes: u32,
      data: Schema.Uint8Array.pipe(Schema.check(Schema.makeFilter((data) => data.length > 0)))
    }),
    Schema.TaggedStruct("Document", { channel, text: Schema.String }),
    Schema.TaggedStruct("Close", { channel }),
    Schema.TaggedStruct("Ping", { channel })
  ])
)

describe("frames of a tunnel", () => {
  it.prop("are read whole and in order, wherever the bytes are split", [Frames, Schema.Int], ([frames, seed]) => {
    // A lone surrogate cannot be sent as text.
    const sent = frames.map((frame) =>
      frame._tag === "Document" ? { ...frame, text: frame.text.toWellFormed() } : frame
    )
    const wire = encode(sent)
    const reader = new TunnelFrameReader()
    const got: Array<TunnelFrame> = []
    const size = 1 + (Math.abs(seed) % 13)
    for (let at = 0; at < wire.length; at += size) got.push(...reader.push(wire.subarray(at, at + size)))
    const expected = sent.filter((frame) => frame._tag !== "Data" || frame.data.length > 0)
    assert.deepStrictEqual(joined(got), joined(expected))
  })

  it("delivers bytes before their frame is complete", () => {
    const [header, payload] = encodeFrame({ _tag: "Data", channel: 258, stream: "stdout", data: Buffer.from("abcdef") })
    const reader = new TunnelFrameReader()
    assert.deepStrictEqual(joined(reader.push(Buffer.concat([header, payload.subarray(0, 3)]))), [
      { channel: 258, stream: "stdout", data: "616263" }
    ])
    assert.deepStrictEqual(joined(reader.push(payload.subarray(3))), [
      { channel: 258, stream: "stdout", data: "646566" }
    ])
  })

  it.each([
    ["an unknown kind", [9, 0, 0, 0, 0, 0, 0, 0]],
    ["data of no stream", [1, 0, 0, 0, 0, 0, 0, 1, 65]],
    ["data of an unknown stream", [1, 7, 0, 0, 0, 0, 0, 1, 65]],
    ["a credit that is too short", [3, 2, 0, 0, 0, 0, 0, 1, 1]],
    ["a packed block of no bytes", [7, 2, 0, 0, 0, 0, 0, 4, 0, 0, 0, 1]],
    ["a packed block of no stream", [7, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 1, 1]],
    ["HTTP", [...Buffer.from("GET / HTTP/1.1\r\n")]]
  ])("%s is refused", (_, bytes) => {
    assert.throws(() => new TunnelFrameReader().push(Uint8Array.from(bytes)), TunnelFrameError)
  })

  it("rejects a length beyond the limit before it buffers anything", () => {
    const header = Buffer.from([4, 0, 0, 0, 0, 0, 0, 0])
    header.writeUInt32BE(maxFrame + 1, 4)
    assert.throws(() => new TunnelFrameReader().push(header), /a frame of/)
    const packed = Buffer.from([7, 2, 0, 0, 0, 0, 0, 0])
    packed.writeUInt32BE(maxBlock + 1, 4)
    assert.throws(() => new TunnelFrameReader().push(packed), /a frame of/)
  })
})
