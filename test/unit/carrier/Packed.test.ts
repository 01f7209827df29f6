import { randomBytes } from "node:crypto"
import { constants, zstdCompressSync } from "node:zlib"
import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Schema from "effect/Schema"
import { maxBlock, Packer, unpack } from "../../../src/carrier/Packed.ts"

const integer = (minimum: number, maximum: number) =>
  Arbitrary.schema(Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum, maximum }))))

const text = (bytes: number) =>
  Buffer.from("a line of a log, and another one\n".repeat(bytes / 33 + 1)).subarray(0, bytes)

describe("packed blocks", () => {
  it.prop("are unpacked as they were packed", [integer(1024, maxBlock), integer(0, 255)], ([bytes, seed]) => {
    const block = Uint8Array.from({ length: bytes }, (_, at) => ((at * at) >> 7) + (at % (seed + 1)))
    const packed = new Packer().pack(block)
    if (packed !== undefined) assert.deepStrictEqual(Buffer.from(unpack(packed) ?? []), Buffer.from(block))
  })

  it("of the longest and of the shortest length are unpacked as they were packed", () => {
    for (const bytes of [1024, maxBlock]) {
      const packed = new Packer().pack(text(bytes))
      assert.deepStrictEqual(packed && unpack(packed, bytes), text(bytes))
    }
    assert.isUndefined(new Packer().pack(text(1023)))
  })

  it("are not made of incompressible bytes, which are tried less and less often, until text follows", () => {
    const packer = new Packer()
    for (let round = 0; round < 200; round++) assert.isUndefined(packer.pack(randomBytes(2048)))
    let waited = 0
    while (packer.pack(text(2048)) === undefined) waited++
    assert.isAbove(waited, 0)
    assert.isAtMost(waited, 31)
    for (let round = 0; round < 50; round++) assert.isDefined(packer.pack(text(2048)))
    assert.isUndefined(packer.pack(randomBytes(2048)))
    assert.isUndefined(packer.pack(text(2048)))
    assert.isDefined(packer.pack(text(2048)))
  })

  it("are rejected if they are damaged, longer than allowed, or need more memory than a block", () => {
    const packed = zstdCompressSync(text(5000))
    assert.deepStrictEqual(unpack(packed, 5000), text(5000))
    assert.isUndefined(unpack(packed, 4999))
    assert.isUndefined(unpack(packed, 0))
    assert.isUndefined(unpack(packed.subarray(0, -1)))
    assert.isUndefined(unpack(randomBytes(100)))
    assert.isUndefined(unpack(new Uint8Array()))
    assert.isUndefined(unpack(zstdCompressSync(Buffer.alloc(64 * maxBlock))))
    const wide = zstdCompressSync(text(4 * maxBlock), { params: { [constants.ZSTD_c_windowLog]: 20 } })
    assert.isUndefined(unpack(wide))
  })
})
