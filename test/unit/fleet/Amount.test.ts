import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { type Amount, countOf, parseAmount } from "../../../src/fleet/Amount.ts"

const integer = (minimum: number, maximum: number) =>
  Arbitrary.schema(Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum, maximum }))))

const good: ReadonlyArray<readonly [string, Amount]> = [
  ["1", { _tag: "Count", count: 1 }],
  ["+7", { _tag: "Count", count: 7 }],
  ["007", { _tag: "Count", count: 7 }],
  ["1%", { _tag: "Percent", percent: 1 }],
  ["100%", { _tag: "Percent", percent: 100 }]
]

const bad: ReadonlyArray<readonly [string, RegExp]> = [
  ["", /expected a number such as/],
  ["%", /expected a number such as/],
  ["all", /expected a number such as/],
  ["1.5", /expected a number such as/],
  ["1e3", /expected a number such as/],
  ["5 %", /expected a number such as/],
  ["-1", /expected 0 or more/],
  ["-20%", /expected 0 or more/],
  ["0", /expected more than 0/],
  ["-0", /expected more than 0/],
  ["0%", /expected more than 0/],
  ["101%", /at most 100%/],
  ["99999999999999999999", /too large/]
]

describe("Amount", () => {
  it("parses a number or a percentage", () => {
    for (const [text, amount] of good) {
      for (const zero of [true, false])
        assert.deepStrictEqual(parseAmount(text, { zero }), Result.succeed(amount), text)
    }
  })

  it("explains an invalid amount", () => {
    for (const [text, reason] of bad) {
      const parsed = parseAmount(text, { zero: false })
      assert.isTrue(Result.isFailure(parsed), text)
      if (Result.isFailure(parsed)) assert.match(parsed.failure.message, reason, text)
    }
  })

  it("accepts 0 where that is allowed", () => {
    assert.deepStrictEqual(parseAmount("0", { zero: true }), Result.succeed({ _tag: "Count", count: 0 }))
    assert.deepStrictEqual(parseAmount("0%", { zero: true }), Result.succeed({ _tag: "Percent", percent: 0 }))
  })

  it("rounds a percentage up", () => {
    const cases = [
      [25, 30, 8],
      [10, 30, 3],
      [1, 30, 1],
      [100, 30, 30],
      [33, 3, 1],
      [34, 3, 2],
      [50, 0, 1],
      [0, 30, 0]
    ] as const
    for (const [percent, total, expected] of cases) {
      assert.strictEqual(countOf({ _tag: "Percent", percent }, total), expected, `${percent}% of ${total}`)
    }
    assert.strictEqual(countOf({ _tag: "Count", count: 5 }, 3), 5)
  })

  it.prop(
    "takes the smallest number that is at least the percentage",
    [integer(1, 100), integer(1, 10_000)],
    ([percent, total]) => {
      const count = countOf({ _tag: "Percent", percent }, total)
      assert.isAtLeast(count * 100, total * percent)
      assert.isBelow((count - 1) * 100, total * percent)
      assert.isAtMost(count, total)
    }
  )
})
