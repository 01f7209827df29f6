import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import { soakTable } from "../../../bench/Page.ts"
import { groupsOf, parseSoak, printSoak, type Sample, Soak } from "../../../bench/Soak.ts"
import { axisEnd, soakChart } from "../../../bench/SoakChart.ts"
import { growthOf, soakLines } from "../../../bench/SoakTable.ts"
import { integer } from "../fleet/Fixtures.ts"
import { contrastOf, schemes } from "./Colors.ts"

const sample = (seconds: number, more: Partial<Sample> = {}): Sample => ({
  seconds,
  runs: seconds,
  engines: { "node-1": 100e6 + seconds * 10_000, "node-2": 80e6 },
  agents: { "node-1": 60e6, "node-2": 66e6 },
  objects: { networks: 5, secrets: 1, configs: 0, services: 2, tasks: 9, containers: 8 },
  raft: 64e6,
  ...more
})

const soak: Soak = {
  date: "2026-01-31T12:00:00.000Z",
  commit: "0123456789abcdef",
  machine: { processor: "A processor", cores: 2, memoryGB: 8, kernel: "6.1.0", engine: "28.5.2", node: "26.1.0" },
  atOnce: 4,
  kinds: { local: 100, helper: 300, agent: 150, tunnel: 50 },
  failed: 1,
  samples: [
    sample(0),
    sample(300, { caller: 90e6, helper: 70e6 }),
    sample(600, { caller: 110e6, helper: 65e6, objects: { networks: 5, services: 4, tasks: 12, containers: 10 } })
  ]
}

describe("a soak", () => {
  it.prop("is decoded as it was encoded", [Arbitrary.schema(Soak)], ([any]) => {
    // JSON has no negative zero.
    assert.deepStrictEqual(parseSoak(printSoak(any)), JSON.parse(JSON.stringify(any)))
  })

  it("has a series for each engine, and the largest of the agents, helpers and callers", () => {
    const [engines, processes, objects] = groupsOf(soak)
    const valuesOf = (of: typeof engines) =>
      Object.fromEntries(of?.series.map(({ name, points }) => [name, points.map(({ value }) => value)]) ?? [])
    assert.deepStrictEqual(valuesOf(engines), {
      "node-1, the manager": [100e6, 103e6, 106e6],
      "node-2": [80e6, 80e6, 80e6]
    })
    assert.deepStrictEqual(valuesOf(processes), {
      agents: [66e6, 66e6, 66e6],
      helpers: [70e6, 65e6],
      callers: [90e6, 110e6]
    })
    assert.deepStrictEqual(valuesOf(objects)["networks, secrets, configs"], [6, 6, 5])
  })

  it.prop(
    "has the growth of a line, in spite of one outlier",
    [integer(-1000, 1000), integer(10, 40), integer(0, 39)],
    ([slope, size, outlier]) => {
      const points = Array.from({ length: size }, (_, at) => ({ seconds: at, runs: at * 10, value: 5 + at * slope }))
      const changed = points.map((point, at) => (at === outlier % size ? { ...point, value: 1e9 } : point))
      assert.closeTo(growthOf({ name: "any", points: changed }), slope / 10, 1e-6)
    }
  )

  it("is a table of its start, its end, its largest value and its growth", () => {
    const lines = soakTable(soak).split("\n")
    assert.include(lines, "| engine of node-1, the manager | 100 MB | 106 MB | 106 MB | 10.0 MB |")
    assert.include(lines, "| callers | 90.0 MB | 110 MB | 110 MB |  |")
    assert.include(lines, "| tasks | 9 | 12 | 12 | 10 |")
    assert.include(lines, "| Raft log of the manager, on disk | 64.0 MB | 64.0 MB | 64.0 MB | 0 B |")
    assert.include(
      lines,
      "- 600 commands in 10 minutes, at most 4 at the same time, 1 failed: 100 on the connected engine, 300 by a helper, 150 by an agent, 50 with a tunnel"
    )
  })

  it("is printed as a table with one line for each series and the store", () => {
    const lines = soakLines(soak)
    assert.strictEqual(lines.length, 4 + 1 + 1 + 2 + 3 + 4 + 1)
    assert.match(lines[1] ?? "", /^A processor, 2 cores, 8 GB, Linux 6\.1\.0; Node 26\.1\.0$/)
  })
})

describe("the chart of a soak", () => {
  const svg = soakChart(soak)
  const lines = [...svg.matchAll(/<polyline class="line l(\d)" points="([^"]+)"/g)].map(([, which, points = ""]) => ({
    which: Number(which),
    points: points.split(" ").map((point) => point.split(",").map(Number))
  }))

  it("has a line for each series, over one time axis", () => {
    assert.deepStrictEqual(
      lines.map(({ which, points }) => [which, points.length]),
      [
        [0, 3],
        [1, 3],
        [0, 3],
        [1, 2],
        [2, 2],
        [0, 3],
        [1, 3],
        [2, 3],
        [3, 3]
      ]
    )
    const times = lines[0]?.points.map(([x]) => x ?? 0) ?? []
    const [first = 0, middle = 0, last = 0] = times
    assert.closeTo(middle - first, last - middle, 0.1)
    assert.isAbove(middle, first)
  })

  it("draws values in proportion to its axis", () => {
    const [node1, node2] = lines
    const heightOf = (line: typeof node1, at: number) => 220 - (line?.points[at]?.[1] ?? Number.NaN)
    assert.closeTo(heightOf(node1, 0) / heightOf(node2, 0), 100 / 80, 0.01)
    assert.include(svg, ">200 MB</text>")
    assert.include(svg, ">100 MB</text>")
  })

  it("has no script and no links", () => {
    assert.notMatch(svg, /<script|href|url\(|@import| on\w+=/)
  })

  for (const scheme of schemes)
    it(`is readable on a ${scheme} page (WCAG: text 4.5, lines 3)`, () => {
      for (const selector of ["text", "\\.note"]) assert.isAtLeast(contrastOf(svg, scheme, selector), 4.5, selector)
      for (const selector of ["\\.l0", "\\.l1", "\\.l2", "\\.l3"])
        assert.isAtLeast(contrastOf(svg, scheme, selector), 3, selector)
    })

  it.prop(
    "has an axis that holds all values and is at most two and a half times as long",
    [integer(1, 1_000_000)],
    ([value]) => {
      const end = axisEnd(value)
      assert.isAtLeast(end, value)
      assert.isAtMost(end, Math.max(2, value * 2.5))
    }
  )
})
