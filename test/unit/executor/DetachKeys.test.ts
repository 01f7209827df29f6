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
  return { passed: passed + Buffer.from(filter.end()).toString("latin1"), detached: false }
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

  it.each([1, 2, 100])("found in pieces of %i, and never passed on", (size) => {
    assert.deepStrictEqual(isDone("ls\n\x10\x11more", defaultDetachKeys, size), { passed: "ls\n", detached: true })
  })

  it("a beginning that does not go on is passed on", () => {
    assert.deepStrictEqual(isDone("\x10x\x10\x10\x11", defaultDetachKeys), { passed: "\x10x\x10", detached: true })
    assert.deepStrictEqual(isDone("a\x10", defaultDetachKeys), { passed: "a\x10", detached: false })
    assert.deepStrictEqual(isDone("\x10\x11", ""), { passed: "\x10\x11", detached: false })
  })

  const Text = Schema.Array(Schema.Literals(["a", "b", "\x10", "\x11"]))
  it.prop("nothing is lost, nothing is added, whatever is typed", [Text], ([typed]) => {
    const text = typed.join("")
    const end = text.indexOf("\x10\x11")
    const expected = end < 0 ? { passed: text, detached: false } : { passed: text.slice(0, end), detached: true }
    for (const size of [1, 3]) assert.deepStrictEqual(isDone(text, defaultDetachKeys, size), expected)
  })
})
