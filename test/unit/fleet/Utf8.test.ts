import { isUtf8 } from "node:buffer"
import { assert, describe, it } from "@effect/vitest"
import { wholeLength } from "../../../adapters/fleet/Utf8.ts"
import { integer, output } from "./Fixtures.ts"

describe("cutting UTF-8", () => {
  it("is before an incomplete character", () => {
    const text = Buffer.from("aé€😀")
    const expected = [0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10]
    for (const [end, whole] of expected.entries()) assert.strictEqual(wholeLength(text.subarray(0, end)), whole)
  })

  it("does not wait for invalid bytes", () => {
    const cases = [[0x80], [0x80, 0x80, 0x80, 0x80], [0xff], [0xc0], [0xf8, 0x80], [0x61, 0xbf]]
    for (const bytes of cases) assert.strictEqual(wholeLength(Uint8Array.from(bytes)), bytes.length)
  })

  it.prop("the part before the cut is valid text", [output, integer(0, 100)], ([bytes, end]) => {
    const part = bytes.subarray(0, end)
    const whole = wholeLength(part)
    assert.isAtMost(part.length - whole, 3)
    if (isUtf8(bytes)) assert.isTrue(isUtf8(part.subarray(0, whole)))
  })
})
