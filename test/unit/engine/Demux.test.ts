import { Buffer } from "node:buffer"
import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Schema from "effect/Schema"
import { Demux, DemuxError } from "../../../src/engine/Demux.ts"

const integer = (minimum: number, maximum: number) =>
  Arbitrary.schema(Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum, maximum }))))

const record = (channel: number, size: number): Buffer => {
  const header = Buffer.alloc(8)
  header.writeUInt8(channel, 0)
  header.writeUInt32BE(size, 4)
  return Buffer.concat([header, Buffer.from(Uint8Array.from({ length: size }, (_, at) => (at + size + channel) % 256))])
}

const records = Arbitrary.array(
  Arbitrary.map(integer(0, 3 * 200), (n) => ({ channel: 1 + (n % 2), size: n >> 1 })),
  {
    maxLength: 20
  }
)

describe("Demux", () => {
  it.prop("returns the bytes of each stream, wherever the data is split", [records, integer(1, 64)], ([all, cut]) => {
    const carrier = Buffer.concat(all.map(({ channel, size }) => record(channel, size)))
    const demux = new Demux()
    const out = { stdin: "", stdout: "", stderr: "", system: "" }
    for (let at = 0; at < carrier.length; at += cut) {
      for (const { channel, data } of demux.push(carrier.subarray(at, at + cut))) {
        out[channel] += Buffer.from(data).toString("hex")
      }
    }
    demux.end()
    const wanted = (channel: number) =>
      all.filter((one) => one.channel === channel).map(({ size }) => record(channel, size).subarray(8).toString("hex"))
    assert.deepStrictEqual(out, { stdin: "", stdout: wanted(1).join(""), stderr: wanted(2).join(""), system: "" })
  })

  it("delivers content before its record is complete", () => {
    const demux = new Demux()
    const whole = record(1, 1_000_000)
    assert.strictEqual(demux.push(whole.subarray(0, 8 + 10)).length, 1)
  })

  it("fails for an end inside a record, and for bytes that are not a record", () => {
    const cut = new Demux()
    cut.push(record(2, 5).subarray(0, 10))
    assert.throws(() => cut.end(), DemuxError)
    assert.throws(() => new Demux().push(Buffer.from("HTTP/1.1 400")), DemuxError)
  })
})
