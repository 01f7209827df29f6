import { assert, describe, it } from "@effect/vitest"
import { Timings, timingsData, waterfall } from "../../../adapters/cli/Timings.ts"
import type { Stage } from "../../../src/Stage.ts"

const find: Stage = { _tag: "Find", target: "web" }
const relay: Stage = { _tag: "Relay" }
const place: Stage = { _tag: "Place", node: "node-2" }
const run: Stage = { _tag: "Run" }

/** Measures a script of events with their times. */
const timed = (script: ReadonlyArray<readonly [at: number, what: "began" | "ended", stage: Stage]>, end: number) => {
  let now = 100
  const timings = new Timings(() => now)
  for (const [at, what, stage] of script) {
    now = at
    timings[what](stage)
  }
  now = end
  return timings.end()
}

describe("--timings", () => {
  it("lists parallel stages in the order of their starts, and the rest as cleanup", () => {
    const measured = timed(
      [
        [110, "began", find],
        [150, "ended", find],
        [150, "began", relay],
        [151, "began", place],
        [500, "ended", place],
        [800, "ended", relay],
        [800, "began", run],
        [900, "ended", run]
      ],
      1200
    )
    assert.deepStrictEqual(measured, [
      { stage: "Boot", from: 0, to: 100 },
      { stage: "Find", from: 110, to: 150 },
      { stage: "Relay", from: 150, to: 800 },
      { stage: "Place", from: 151, to: 500 },
      { stage: "Run", from: 800, to: 900 },
      { stage: "Clean", from: 900, to: 1200 }
    ])
  })

  it("lists no cleanup if nothing was created", () => {
    const measured = timed(
      [
        [110, "began", find],
        [150, "ended", find]
      ],
      160
    )
    assert.deepStrictEqual(
      measured.map(({ stage }) => stage),
      ["Boot", "Find"]
    )
  })

  it("draws a bar for the start and duration of each stage", () => {
    const lines = waterfall([
      { stage: "Boot", from: 0, to: 100 },
      { stage: "Find", from: 100, to: 101 },
      { stage: "Run", from: 1000, to: 3000 }
    ])
    assert.deepStrictEqual(lines, [
      "start task-exec    0.00 s    0.10 s  █",
      "find the task      0.10 s    0.00 s   █",
      `run the command    1.00 s    2.00 s  ${" ".repeat(10)}${"█".repeat(20)}`
    ])
  })

  it("returns the stages as data", () => {
    assert.deepStrictEqual(timingsData([{ stage: "Find", from: 100.4, to: 1200.6 }]), [
      { stage: "find the task", start: 0.1, seconds: 1.1 }
    ])
  })
})
