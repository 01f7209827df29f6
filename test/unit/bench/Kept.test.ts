import { readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { measureNames } from "../../../bench/Options.ts"
import { pagesOf } from "../../../bench/Page.ts"
import { keptResults } from "../../../bench/Results.ts"
import { summarize } from "../../../bench/Statistics.ts"

describe("the kept results", () => {
  const kept = keptResults()

  it("contain all measures", () => {
    assert.deepStrictEqual([...new Set(kept.comparisons.map(({ measure }) => measure))], [...measureNames])
  })

  it("have statistics that match their samples", () => {
    for (const { rows } of kept.comparisons) {
      const [ours] = rows
      assert.isDefined(ours)
      for (const { samples, summary } of rows) assert.deepStrictEqual(summary, summarize(samples))
    }
  })

  for (const [file, text] of pagesOf(kept)) {
    it(`${file} is generated from them (npm run bench -- --pages)`, () => {
      assert.strictEqual(readFileSync(join(import.meta.dirname, "../../..", file), "utf8"), text)
    })
  }
})
