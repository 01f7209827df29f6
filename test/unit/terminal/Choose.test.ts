import { assert, describe, it } from "@effect/vitest"
import { type ChoiceState, draw, initial, keysIn, press } from "../../../adapters/terminal/Choose.ts"

const choices = Array.from({ length: 12 }, (_, at) => ({
  value: `id${at + 1}`,
  text: `web.${at + 1} on node-${(at % 3) + 1}`
}))

/** The state after these keys, or the choice. */
const typed = (keys: string): ChoiceState | string | undefined => {
  let state = initial
  for (const key of keysIn(keys)) {
    const pressed = press(choices, state, key)
    if ("value" in pressed) return pressed.value
    state = pressed.state
  }
  return state
}

describe("a list to choose from", () => {
  it("moves with the arrow keys, and Enter chooses", () => {
    assert.strictEqual(typed("\r"), "id1")
    assert.strictEqual(typed("\u001b[B\u001bOB\r"), "id3")
    assert.strictEqual(typed("\u001b[A\r"), "id12")
    assert.strictEqual(typed("jjk\n"), "id2")
  })

  it("filters after /, ignoring case, until Esc", () => {
    assert.strictEqual(typed("/NODE-3\r"), "id3")
    assert.strictEqual(typed("/node-3\u001b[B\r"), "id6")
    assert.strictEqual(typed("/web.122\u007f\r"), "id12")
    assert.deepStrictEqual(typed("/none\r"), { filter: "none", isFiltering: true, at: 0 })
    assert.strictEqual(typed("/none\u001b\r"), "id1")
  })

  it("ends without a choice at q, Ctrl-C and Ctrl-D", () => {
    for (const key of ["q", "\u0003", "\u0004", "/x\u0003"]) assert.isUndefined(typed(key))
  })

  it("shows ten lines with the chosen one, none wider than the terminal", () => {
    const at = typed("\u001b[A")
    assert(typeof at === "object")
    assert.deepStrictEqual(draw("choose:", choices, at, 80).slice(0, 11), [
      "choose:",
      ...choices.slice(2, 11).map(({ text }) => `  ${text}`),
      "> web.12 on node-3"
    ])
    for (const line of draw("choose:", choices, at, 20)) assert.isBelow(line.length, 20)
    const none = typed("/none")
    assert(typeof none === "object")
    assert.deepStrictEqual(draw("choose:", choices, none, 80), ["choose:", "  no match", "/none"])
  })
})
