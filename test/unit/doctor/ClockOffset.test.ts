import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import { describeOffset, judgeOffset, offsetOf, stampOf } from "../../../adapters/doctor/ClockOffset.ts"
import { Task } from "../../../src/engine/SwarmSchemas.ts"

const between = (minimum: number, maximum: number) =>
  Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum, maximum })))

const taskIn = (status: Record<string, string>) =>
  Schema.decodeUnknownSync(Task)({
    ID: "t",
    Version: { Index: 1 },
    Spec: {},
    Status: { Timestamp: "2026-01-01T00:00:10.5Z", ...status },
    DesiredState: "running"
  })

describe("the difference of two clocks", () => {
  it.prop(
    "is always within the bounds of the timestamps",
    {
      ahead: between(-100_000, 100_000),
      events: Schema.NonEmptyArray(Schema.Tuple([between(0, 5000), between(0, 5000)]))
    },
    ({ ahead, events }) => {
      const made = 1_000_000
      let now = made
      const stamps = events.map(([until, seen]) => {
        now += until
        return { theirs: now + ahead, after: made, before: now + seen }
      })
      const offset = offsetOf(stamps)
      assert(offset !== undefined)
      assert.isAtMost(offset.least, ahead)
      assert.isAtLeast(offset.most, ahead)
      // No single timestamp gives narrower bounds.
      for (const stamp of stamps) {
        const alone = offsetOf([stamp])
        assert(alone !== undefined)
        assert.isAtMost(offset.most - offset.least, alone.most - alone.least)
      }
    }
  )

  it("does not grow with a slow image pull", () => {
    const stamps = [
      { theirs: 10_200, after: 0, before: 300 },
      { theirs: 70_200, after: 0, before: 60_300 }
    ]
    assert.deepStrictEqual(offsetOf(stamps), { least: 9899, most: 10_201 })
    assert.isUndefined(offsetOf([]))
  })

  it("has bounds for a clock that was set meanwhile", () => {
    const stamps = [
      { theirs: 0, after: 0, before: 10 },
      { theirs: 9020, after: 0, before: 20 }
    ]
    assert.deepStrictEqual(offsetOf(stamps), { least: 1, most: 8999 })
  })

  it("is judged by its lower bound, and shown with its uncertainty", () => {
    assert.deepStrictEqual(
      [[-300, 200] as const, [4900, 9000] as const, [5100, 5900] as const, [-3_600_400, -3_600_000] as const].map(
        ([least, most]) => [judgeOffset({ least, most }), describeOffset({ least, most }, "node-2").found]
      ),
      [
        ["ok", "within 0.3 s of the caller's clock"],
        ["ok", "7.0 s ahead of the caller's clock (±2.1 s)"],
        ["warning", "5.5 s ahead of the caller's clock (±0.4 s)"],
        ["fails", "3600.2 s behind the caller's clock (±0.2 s)"]
      ]
    )
  })

  it("uses only timestamps of the node, not those of the leader", () => {
    const stamp = { theirs: Date.parse("2026-01-01T00:00:10.500Z"), after: 1, before: 2 }
    const of = (status: Record<string, string>) => stampOf(taskIn(status), 1, 2)
    assert.deepStrictEqual(of({ State: "preparing" }), stamp)
    assert.deepStrictEqual(of({ State: "rejected", Err: "No such image" }), stamp)
    for (const State of ["new", "pending", "assigned", "rejected", "orphaned"]) assert.isUndefined(of({ State }))
    assert.isUndefined(of({ State: "running", Timestamp: "" }))
  })
})
