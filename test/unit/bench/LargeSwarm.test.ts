import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import { LargeSwarms, parseLargeSwarms, printLargeSwarms } from "../../../bench/LargeSwarm.ts"
import { largeSwarmTable } from "../../../bench/Page.ts"

describe("the figures of simulated swarms", () => {
  it.prop("are decoded as they were encoded", [Arbitrary.schema(LargeSwarms)], ([any]) => {
    // JSON has no negative zero.
    assert.deepStrictEqual(parseLargeSwarms(printLargeSwarms(any)), JSON.parse(JSON.stringify(any)))
  })

  it("are a table with one row for each size, and the machine and its load below it", () => {
    const table = largeSwarmTable({
      date: "2026-01-31T12:00:00.000Z",
      commit: "0123456789abcdef",
      processor: "A processor",
      cores: 2,
      load: 0.25,
      node: "26.1.0",
      fanOuts: [{ tasks: 10_000, nodes: 1000, groups: 1001, seconds: 2.5, peak: 288e6 }]
    })
    assert.deepStrictEqual(table.split("\n"), [
      "| tasks | nodes | different outputs | time | peak memory of the caller |",
      "|---|---:|---:|---:|---:|",
      "| 10,000 | 1,000 | 1,001 | 2.50 s | 288 MB |",
      "",
      "- 2026-01-31, commit 0123456789ab",
      "- A processor, 2 cores; Node 26.1.0; load average before the start 0.250"
    ])
  })
})
