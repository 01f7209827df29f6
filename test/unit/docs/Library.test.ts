import { assert, describe, it } from "@effect/vitest"
import { stages } from "../../../src/testing/Stage.ts"
import { textOf } from "../../docs/Pages.ts"

describe("docs/library.md", () => {
  it("has every error of a run in its table, with its cause", () => {
    const rows = [...textOf("docs/library.md").matchAll(/^\| `([A-Z]\w+)` \| (lookup|start|running) \| \S/gm)]
    assert.deepStrictEqual(
      rows.map(([, tag, stage]) => [tag, stage]),
      Object.entries(stages)
    )
  })
})
