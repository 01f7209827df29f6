import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Schema from "effect/Schema"
import { lengthUsed } from "../../../bench/measures/Store.ts"
import { median, quantile, ratioOf, summarize } from "../../../bench/Statistics.ts"
import { turnsOf } from "../../../bench/Turns.ts"
import { integer } from "../fleet/Fixtures.ts"

const samples = Arbitrary.array(
  Arbitrary.schema(Schema.Finite.pipe(Schema.check(Schema.isBetween({ minimum: 0.001, maximum: 1000 })))),
  { minLength: 1, maxLength: 30 }
)

describe("a summary", () => {
  it("equals the quantiles of R and NumPy", () => {
    assert.deepStrictEqual(summarize([7, 1, 3, 2]), { median: 2.5, lower: 1.75, upper: 4, min: 1, max: 7 })
    assert.deepStrictEqual(summarize([5]), { median: 5, lower: 5, upper: 5, min: 5, max: 5 })
    assert.strictEqual(quantile([1, 2, 3, 4, 5], 0.99), 4.96)
    assert.isNaN(median([]))
  })

  it.prop("has half of the samples on each side of the median, and ordered quartiles", [samples], ([all]) => {
    const { lower, max, median: middle, min, upper } = summarize(all)
    const sorted = [min, lower, middle, upper, max]
    assert.deepStrictEqual(
      sorted.toSorted((a, b) => a - b),
      sorted
    )
    assert.isAtLeast(all.filter((one) => one <= middle).length * 2, all.length)
    assert.isAtLeast(all.filter((one) => one >= middle).length * 2, all.length)
    assert.includeMembers(all, [min, max])
  })

  it.prop("does not depend on the order", [samples], ([all]) => {
    assert.deepStrictEqual(summarize(all.toReversed()), summarize(all))
  })
})

describe("a ratio", () => {
  it.prop("is taken per round, so that a slow round does not change it", [samples], ([all]) => {
    // Powers of two lose nothing.
    assert.deepStrictEqual(
      ratioOf(
        all.map((one) => one * 4),
        all.map((one) => one * 2)
      ),
      summarize([2])
    )
  })

  it("is missing if the peer's time is 0 or a round is missing", () => {
    assert.isUndefined(ratioOf([0, 1], [0, 1]))
    assert.isUndefined(ratioOf([1, 1], [1]))
  })
})

describe("turns", () => {
  it.prop(
    "give each contender one turn per round, and the first turn equally often",
    [integer(1, 7), integer(1, 9)],
    (given) => {
      const [size, cycles] = given
      const turns = turnsOf(size, size * cycles)
      const everybody = Array.from({ length: size }, (_, who) => who)
      const rounds = Array.from({ length: size * cycles }, (_, round) => turns.slice(round * size, (round + 1) * size))
      for (const round of rounds)
        assert.sameMembers(
          round.map(({ who }) => who),
          everybody
        )
      for (const who of everybody) {
        assert.strictEqual(rounds.filter(([first]) => first?.who === who).length, cycles)
      }
    }
  )
})

describe("the used length of a file that ends with zeros", () => {
  const byte = integer(0, 2)
  it.prop("ends at the last byte that is not zero", [Arbitrary.array(byte), integer(0, 5)], ([written, zeros]) => {
    const used = written.findLastIndex((one) => one !== 0) + 1
    assert.strictEqual(lengthUsed(Buffer.from([...written, ...Array.from({ length: zeros }, () => 0)])), used)
  })
})
