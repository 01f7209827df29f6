import { assert, describe, it } from "@effect/vitest"
import { Timings, waterfall } from "../../../adapters/cli/Timings.ts"

describe("--timings", () => {
  it("a stage ends where the next one begins; one that goes on is entered once", () => {
    let now = 0
    const timings = new Timings(() => now)
    const at = (millis: number, what: () => void) => {
      now = millis
      what()
    }
    at(100, () => timings.enter("find"))
    at(150, () => timings.enter("reach"))
    at(800, () => timings.enter("run"))
    at(900, () => timings.enter("run"))
    now = 1200
    assert.deepStrictEqual(timings.end(), [
      { stage: "start", from: 0, to: 100 },
      { stage: "find", from: 100, to: 150 },
      { stage: "reach", from: 150, to: 800 },
      { stage: "run", from: 800, to: 1200 }
    ])
  })

  it("lines with a bar that shows when and how long", () => {
    const lines = waterfall([
      { stage: "start", from: 0, to: 100 },
      { stage: "find", from: 100, to: 101 },
      { stage: "run", from: 1000, to: 3000 }
    ])
    assert.deepStrictEqual(lines, [
      "start up         0.00 s    0.10 s  █",
      "find the task    0.10 s    0.00 s   █",
      `the command      1.00 s    2.00 s  ${" ".repeat(10)}${"█".repeat(20)}`
    ])
  })
})
