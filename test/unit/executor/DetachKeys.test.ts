import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { DetachFilter, defaultDetachKeys, parseDetachKeys } from "../../../src/executor/DetachKeys.ts"

const keysOf = (text: string) => Result.getOrThrow(parseDetachKeys(text))
const bytes = (text: string) => new TextEncoder().encode(text)
const isDone = (text: string, keys: string, size = 1) => {
  const filter = new DetachFilter(keysOf(keys))
  const input = bytes(text)
  let passed = ""
  for (let at = 0; at < input.length; at += size) {
    const { data, detached } = filter.push(input.subarray(at, at + size))
    passed += Buffer.from(data).toString("latin1")
    if (detached) return { passed, detached }
  }
  return { passed, detached: false }
}

describe("detach keys", () => {
  it.each([
    ["ctrl-p,ctrl-q", [16, 17]],
    ["a", [97]],
    ["ctrl-a,d", [1, 100]],
    ["ctrl-@,ctrl-[,ctrl-],ctrl-\\,ctrl-^,ctrl-_,DEL", [0, 27, 29, 28, 30, 31, 127]],
    ["", []]
  ])("%s", (text, expected) => {
    assert.deepStrictEqual([...keysOf(text)], expected)
  })

  it.each(["ctrl-", "ctrl-A", "ctrl-1", "ab", "ctrl-p,", "é", "shift-a"])("%s is refused", (text) => {
    assert.match(Result.getOrThrow(Result.flip(parseDetachKeys(text))).message, /ctrl-a … ctrl-z/)
  })

  it("are not forwarded if they arrive in one piece; in several pieces only the last one is held back", () => {
    const text = "ls\n\x10\x11more"
    assert.deepStrictEqual(isDone(text, defaultDetachKeys, 100), { passed: "ls\n", detached: true })
    assert.deepStrictEqual(isDone(text, defaultDetachKeys, 1), { passed: "ls\n\x10", detached: true })
    assert.deepStrictEqual(isDone("x\x01\x01\x02y", "ctrl-a,ctrl-a,ctrl-b"), { passed: "x\x01\x01", detached: true })
  })

  it("an incomplete sequence is forwarded at once", () => {
    const filter = new DetachFilter(keysOf(defaultDetachKeys))
    const pass = (text: string) => Buffer.from(filter.push(bytes(text)).data).toString("latin1")
    assert.deepStrictEqual(["\x10", "\x10", "x", "\x10"].map(pass), ["\x10", "\x10", "x", "\x10"])
    assert.isTrue(filter.push(bytes("\x11")).detached)
    assert.deepStrictEqual(isDone("\x10\x11", ""), { passed: "\x10\x11", detached: false })
  })

  // Keys that overlap with themselves, too.
  const Text = Schema.Array(Schema.Literals(["b", "\x10", "\x11"]))
  it.prop("no input is lost or added, and the last key is never forwarded", [Text], ([typed]) => {
    const text = typed.join("")
    for (const [keys, sequence] of [
      ["ctrl-p,ctrl-q", "\x10\x11"],
      ["ctrl-p,ctrl-p,ctrl-q", "\x10\x10\x11"]
    ] as const) {
      const end = text.indexOf(sequence)
      for (const size of [1, 3]) {
        const { detached, passed } = isDone(text, keys, size)
        assert.strictEqual(detached, end >= 0)
        if (end < 0) assert.strictEqual(passed, text)
        else assert.isTrue(`${text.slice(0, end)}${sequence.slice(0, -1)}`.startsWith(passed) && passed.length >= end)
      }
    }
  })
})
