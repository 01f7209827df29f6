import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import { PendingHandshakes } from "../../../src/carrier/PendingHandshakes.ts"

const limits = { perSource: 3, inTotal: 5 }

/** The connections that remain after these have arrived in turn, each named by its source and a number. */
const staying = (coming: ReadonlyArray<string>) => {
  const open = new Set<string>()
  const pending = new PendingHandshakes<string>(limits, (connection) => open.delete(connection))
  for (const [at, source] of coming.entries()) {
    open.add(`${source}${at}`)
    pending.add(source, `${source}${at}`)
  }
  return { open, pending }
}

describe("connections in their handshake", () => {
  it("beyond the limit of a source close its oldest one", () => {
    assert.deepStrictEqual([...staying(["a", "b", "a", "a", "a"]).open], ["b1", "a2", "a3", "a4"])
  })

  it("beyond the total limit close the oldest one of the source with the most", () => {
    assert.deepStrictEqual([...staying(["a", "a", "a", "b", "b", "c"]).open], ["a1", "a2", "b3", "b4", "c5"])
  })

  it("leave room for others when they succeed or close", () => {
    const { open, pending } = staying(["a", "a", "a"])
    pending.delete("a", "a0")
    pending.delete("a", "a0")
    pending.add("a", "a3")
    assert.deepStrictEqual([[...open], pending.size], [["a0", "a1", "a2"], 3])
  })

  it.prop(
    "never block a source that opens one at a time",
    [Schema.Array(Schema.Literals(["a", "b", "c", "d"]))],
    ([coming]) => {
      const { open, pending } = staying([...coming, "caller"])
      assert.isTrue(open.has(`caller${coming.length}`))
      assert.isAtMost(open.size, limits.inTotal)
      assert.strictEqual(pending.size, open.size)
    }
  )
})
