import { Buffer } from "node:buffer"
import { randomBytes } from "node:crypto"
import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { decodeLine, encodeLine, type Frame, FrameWriter, maxPayload } from "../../../src/carrier/Frame.ts"

const integer = (minimum: number, maximum: number) =>
  Arbitrary.schema(Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum, maximum }))))
const byte = integer(0, 255)
const bytes = Arbitrary.map(Arbitrary.array(byte, { maxLength: 300 }), (values) => Uint8Array.from(values))
const u32 = integer(0, 2 ** 32 - 1)

const documents: ReadonlyArray<Frame> = [
  { _tag: "Hello", protocol: 1, version: "1.2.3" },
  { _tag: "Started", execId: "ab12" },
  { _tag: "Exited", code: 137 },
  { _tag: "Detached", execId: "ab12" },
  { _tag: "Failed", error: { _tag: "CommandNotFound", command: "\u0000ü\n" } }
]

const decoded = (line: string) => Result.getOrThrow(decodeLine(line.trimEnd()))

describe("Frame", () => {
  it.prop("any output is decoded as it was encoded", [bytes, u32, u32], ([data, origin, seq]) => {
    for (const _tag of ["Stdout", "Stderr"] as const) {
      const back = decoded(encodeLine({ origin, seq, channel: 1, frame: { _tag, data } }))
      assert.deepStrictEqual({ origin: back.origin, seq: back.seq, _tag: back.frame._tag }, { origin, seq, _tag })
      assert.isTrue("data" in back.frame && Buffer.compare(back.frame.data, data) === 0)
    }
  })

  it("documents are decoded as they were encoded", () => {
    for (const frame of documents) {
      assert.deepStrictEqual(decoded(encodeLine({ origin: 1, seq: 2, channel: 0xffff, frame })), {
        origin: 1,
        seq: 2,
        channel: 0xffff,
        frame
      })
    }
  })

  it("a line is printable ASCII, and shorter than the 16 KiB at which log drivers split", () => {
    const line = encodeLine({
      origin: 1,
      seq: 2,
      channel: 0xffff,
      frame: { _tag: "Stdout", data: new Uint8Array(maxPayload) }
    })
    assert.isBelow(line.length, 13_000)
    assert.match(line, /^[\x21-\x7e]+\n$/)
  })

  it.prop(
    "any altered, missing or added character is detected",
    [bytes, integer(0, 10_000), byte],
    ([data, at, by]) => {
      const line = encodeLine({ origin: 7, seq: 9, channel: 3, frame: { _tag: "Stdout", data } }).trimEnd()
      const place = at % line.length
      const other = String.fromCharCode(by)
      const damages = [
        `${line.slice(0, place)}${other}${line.slice(place + 1)}`,
        line.slice(0, place),
        `${line.slice(0, place)}${line.slice(place + 1)}`,
        `${line.slice(0, place)}${other}${line.slice(place)}`
      ]
      for (const damaged of damages) {
        if (damaged !== line) assert.isTrue(Result.isFailure(decodeLine(damaged)), damaged)
      }
    }
  )

  it("a frame of an unknown kind is damage, not output", () => {
    const frame = Buffer.from(
      encodeLine({ origin: 1, seq: 1, channel: 0, frame: { _tag: "Exited", code: 0 } }),
      "base64"
    )
    frame.writeUInt8(99, 8)
    assert.isTrue(Result.isFailure(decodeLine(frame.toString("base64"))))
  })

  it.prop("a writer splits long output and numbers the pieces", [integer(0, 5), integer(-2, 2)], ([whole, odd]) => {
    const size = Math.max(0, whole * maxPayload + odd)
    const data = randomBytes(size)
    const lines = new FrameWriter(5).lines({ _tag: "Stderr", data }).split("\n").slice(0, -1)
    const frames = lines.map(decoded)
    assert.deepStrictEqual(
      frames.map(({ seq }) => seq),
      frames.map((_, at) => at)
    )
    assert.isTrue(frames.every(({ origin, frame }) => origin === 5 && frame._tag === "Stderr"))
    const back = Buffer.concat(frames.map(({ frame }) => ("data" in frame ? frame.data : new Uint8Array())))
    assert.strictEqual(Buffer.compare(back, data), 0)
  })
})
