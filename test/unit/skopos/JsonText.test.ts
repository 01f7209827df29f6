import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import { layOutJson } from "../../../adapters/skopos/JsonText.ts"

const Leaf = Schema.Union([Schema.String, Schema.Finite, Schema.Boolean, Schema.Null])
const Branch = Schema.Union([Leaf, Schema.Array(Leaf), Schema.Record(Schema.String, Leaf)])
const Value = Schema.Union([Branch, Schema.Array(Branch), Schema.Record(Schema.String, Branch)])

describe("layOutJson", () => {
  it.prop("equals JSON.stringify", [Value], ([value]) => {
    const compact = JSON.stringify(value)
    const pretty = JSON.stringify(JSON.parse(compact), null, 2)
    // The tests below cover objects that JSON.parse reorders.
    if (JSON.stringify(JSON.parse(compact)) !== compact) return
    assert.strictEqual(layOutJson(compact, 2), pretty)
    assert.strictEqual(layOutJson(pretty, 2), pretty)
    assert.strictEqual(layOutJson(pretty, 0), compact)
    assert.strictEqual(layOutJson(` \r\n${compact}\t`, 0), compact)
  })

  it("keeps numbers and keys that JSON.parse changes", () => {
    const text = '{"b": 1.0, "10": 12345678901234567890, "a": {"__proto__": 1e400, "2": "\\u00fc\\/"}, "b": -0}'
    assert.strictEqual(
      layOutJson(text, 0),
      '{"b":1.0,"10":12345678901234567890,"a":{"__proto__":1e400,"2":"\\u00fc\\/"},"b":-0}'
    )
  })

  it("does not change strings", () => {
    const text = '["a, b: [ { \\" } ]", "\\\\", "  "]'
    assert.strictEqual(layOutJson(text, 2), '[\n  "a, b: [ { \\" } ]",\n  "\\\\",\n  "  "\n]')
  })

  it("writes empty lists and objects on one line", () => {
    assert.strictEqual(layOutJson('{"a": [ ], "b": {\n}}', 2), '{\n  "a": [],\n  "b": {}\n}')
  })

  it("limits the nesting", () => {
    const deep = "[".repeat(20_000) + "]".repeat(20_000)
    const laidOut = layOutJson(deep, 2)
    assert.isBelow(laidOut.length, 30 * deep.length)
    assert.strictEqual(layOutJson(laidOut, 0), deep)
  })
})
