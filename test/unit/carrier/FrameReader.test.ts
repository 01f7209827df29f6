import { Buffer } from "node:buffer"
import { randomBytes } from "node:crypto"
import { zstdCompressSync } from "node:zlib"
import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Schema from "effect/Schema"
import { encodeLine, type Frame, FrameWriter, maxPayload } from "../../../src/carrier/Frame.ts"
import { FrameReader } from "../../../src/carrier/FrameReader.ts"
import { maxBlock } from "../../../src/carrier/Packed.ts"

const integer = (minimum: number, maximum: number) =>
  Arbitrary.schema(Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum, maximum }))))

/** One record of the engine's multiplexed stream. */
const record = (text: string, channel = 1): Buffer => {
  const payload = Buffer.from(text)
  const header = Buffer.alloc(8)
  header.writeUInt8(channel, 0)
  header.writeUInt32BE(payload.length, 4)
  return Buffer.concat([header, payload])
}

const hello: Frame = { _tag: "Hello", protocol: 1, version: "0" }
/** Output that does not compress if `seed` modulo 3 is 1, and otherwise compresses well. */
const output = (size: number, seed: number): Frame => ({
  _tag: seed % 2 === 0 ? "Stdout" : "Stderr",
  data: seed % 3 === 1 ? randomBytes(size) : Uint8Array.from({ length: size }, (_, at) => (at * 31 + seed) % 256)
})

/** The lines of a run, as the helper writes them. */
const linesOf = (frames: ReadonlyArray<Frame>, origin = 1): ReadonlyArray<string> => {
  const writer = new FrameWriter(origin)
  return frames.flatMap((frame) => writer.lines(frame).split(/(?<=\n)/))
}

/** The received frames, with consecutive output joined: the sizes of frames do not matter. */
const joined = (frames: ReadonlyArray<Frame>) => {
  const parts = { Stdout: [] as Array<Uint8Array>, Stderr: [] as Array<Uint8Array> }
  for (const frame of frames) if (frame._tag === "Stdout" || frame._tag === "Stderr") parts[frame._tag].push(frame.data)
  return {
    stdout: Buffer.concat(parts.Stdout).toString("hex"),
    stderr: Buffer.concat(parts.Stderr).toString("hex"),
    others: frames.filter((frame) => frame._tag !== "Stdout" && frame._tag !== "Stderr")
  }
}

const feed = (reader: FrameReader, carrier: Buffer, cut: number): ReadonlyArray<Frame> => {
  const frames: Array<Frame> = []
  for (let at = 0; at < carrier.length; at += cut) {
    frames.push(...reader.push(carrier.subarray(at, at + cut)).map(({ frame }) => frame))
  }
  return frames
}

const sizes = Arbitrary.array(integer(0, 2 * maxPayload), { maxLength: 6 })

/** Text that packs to more than one line, and to less than half of its length. */
const text = Buffer.from(Array.from({ length: 20_000 }, (_, at) => `${at * 7919} ${at % 13}\n`).join(""))

describe("FrameReader", () => {
  it.prop("any output, split anywhere, comes out unchanged", [sizes, integer(1, 40_000)], ([all, cut]) => {
    const frames: ReadonlyArray<Frame> = [hello, ...all.map(output), { _tag: "Exited", code: 3 }]
    const carrier = Buffer.concat(linesOf(frames).map((line) => record(line)))
    const reader = new FrameReader()
    assert.deepStrictEqual(joined(feed(reader, carrier, cut)), joined(frames))
    assert.isTrue(reader.complete)
    assert.isFalse(reader.gap)
  })

  it.prop("a log that is read again after a break gives each frame once", [sizes, integer(0, 100_000)], ([all, at]) => {
    const frames: ReadonlyArray<Frame> = [hello, ...all.map(output), { _tag: "Exited", code: 0 }]
    const carrier = Buffer.concat(linesOf(frames).map((line) => record(line)))
    const reader = new FrameReader()
    const first = feed(reader, carrier.subarray(0, at % carrier.length), 1000)
    assert.isFalse(reader.complete)
    reader.reopened()
    const second = feed(reader, carrier, 1000)
    assert.deepStrictEqual(joined([...first, ...second]), joined(frames))
    assert.isTrue(reader.complete)
  })

  it.prop("nothing after a missing line is used", [integer(1, 6)], ([lost]) => {
    const frames: ReadonlyArray<Frame> = [
      hello,
      ...[1, 2, 3, 4, 5].map((seed) => output(10, seed)),
      { _tag: "Exited", code: 0 }
    ]
    const lines = linesOf(frames)
    const reader = new FrameReader()
    const got = feed(reader, Buffer.concat(lines.filter((_, at) => at !== lost).map((line) => record(line))), 50)
    assert.strictEqual(got.length, lost)
    assert.isFalse(reader.complete)
    assert.strictEqual(reader.gap, lost < lines.length - 1)
    reader.reopened()
    const rest = feed(reader, Buffer.concat(lines.map((line) => record(line))), 50)
    assert.deepStrictEqual(joined([...got, ...rest]), joined(frames))
  })

  it("a damaged line counts as missing and is kept for the message", () => {
    const lines = linesOf([hello, output(10, 1), { _tag: "Exited", code: 0 }])
    const damaged = lines.map((line, at) => (at === 1 ? `x${line.slice(1)}` : line))
    const reader = new FrameReader()
    feed(reader, Buffer.concat(damaged.map((line) => record(line))), 7)
    assert.isFalse(reader.complete)
    assert.isTrue(reader.gap)
    assert.include(reader.otherText, damaged[1] ?? "-")
  })

  it("a block of several pieces survives a log that breaks off after each of its lines", () => {
    const frames: ReadonlyArray<Frame> = [hello, { _tag: "Stdout", data: text }, { _tag: "Exited", code: 0 }]
    const lines = linesOf(frames)
    assert.isAbove(lines.length, 6)
    assert.isBelow(lines.join("").length, text.length / 2)
    for (let at = 0; at < lines.length; at++) {
      const reader = new FrameReader()
      const first = feed(reader, Buffer.concat(lines.slice(0, at).map((line) => record(line))), 5000)
      reader.reopened()
      const second = feed(reader, Buffer.concat(lines.map((line) => record(line))), 5000)
      assert.deepStrictEqual(joined([...first, ...second]), joined(frames))
    }
  })

  it("a packed block that is invalid or incomplete counts as missing", () => {
    const piece = (seq: number, of: "Stdout" | "More", data: Uint8Array) =>
      record(encodeLine({ origin: 1, seq, channel: 0, frame: { _tag: "Packed", of, data } }))
    const [first = ""] = linesOf([hello])
    const broken = new FrameReader()
    assert.lengthOf(feed(broken, Buffer.concat([record(first), piece(1, "Stdout", randomBytes(100))]), 50), 1)
    assert.deepStrictEqual([broken.gap, broken.accepted], [true, 1])
    const bomb = zstdCompressSync(Buffer.alloc(16 * maxBlock))
    const swollen = new FrameReader()
    assert.lengthOf(feed(swollen, Buffer.concat([record(first), piece(1, "Stdout", bomb)]), 5000), 1)
    assert.isTrue(swollen.gap)
    const endless = new FrameReader()
    feed(endless, record(first), 50)
    for (let seq = 1; !endless.gap; seq++) {
      assert.isAtMost(seq * maxPayload, maxBlock + maxPayload)
      feed(endless, piece(seq, "More", randomBytes(maxPayload)), 5000)
    }
  })

  it("frames of a second sender are ignored", () => {
    const first = linesOf([hello, output(10, 1)], 1)
    const second = linesOf([hello, { _tag: "Failed", error: "refused" }], 2)
    const reader = new FrameReader()
    const got = feed(reader, Buffer.concat([...first, ...second].map((line) => record(line))), 100)
    assert.strictEqual(got.length, 2)
    assert.isFalse(reader.complete)
  })

  it("stderr and other lines are no frames, and are kept up to a limit", () => {
    const reader = new FrameReader()
    feed(reader, record("a stray line\n"), 3)
    feed(reader, record("node: out of memory\n", 2), 3)
    assert.include(reader.otherText, "a stray line")
    assert.include(reader.otherText, "node: out of memory")
    for (let at = 0; at < 100; at++) feed(reader, record("x".repeat(1000), 2), 1008)
    assert.isAtMost(reader.otherText.length, 4096)
  })
})
