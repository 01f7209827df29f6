import { readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { keptLargeSwarms } from "../../../bench/LargeSwarm.ts"
import { measureNames } from "../../../bench/Options.ts"
import { pagesOf } from "../../../bench/Page.ts"
import { allKept, keptEngineOf, keptEngines } from "../../../bench/Results.ts"
import { keptSoak } from "../../../bench/Soak.ts"
import { summarize } from "../../../bench/Statistics.ts"

describe("the kept results", () => {
  const [main, ...others] = allKept()
  assert.isDefined(main)
  const all = [main, ...others] as const

  it("contain all measures", () => {
    for (const { comparisons } of all)
      assert.deepStrictEqual([...new Set(comparisons.map(({ measure }) => measure))], [...measureNames])
  })

  it("are those of the engine that their file names", () => {
    const engines = all.map(({ machine }) => keptEngineOf(machine.engine))
    assert.deepStrictEqual(
      engines,
      keptEngines.filter((engine) => engines.includes(engine))
    )
  })

  it("have statistics that match their samples", () => {
    for (const { rows } of all.flatMap(({ comparisons }) => comparisons)) {
      const [ours] = rows
      assert.isDefined(ours)
      for (const { samples, summary } of rows) assert.deepStrictEqual(summary, summarize(samples))
    }
  })

  for (const [file, text] of pagesOf(all, { soak: keptSoak(), scale: keptLargeSwarms() })) {
    it(`${file} is generated from them (npm run bench -- --pages)`, () => {
      assert.strictEqual(readFileSync(join(import.meta.dirname, "../../..", file), "utf8"), text)
    })
  }
})
