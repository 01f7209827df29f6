import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Schema from "effect/Schema"
import { againstTable, judge } from "../../../bench/Against.ts"
import { lengthUsed } from "../../../bench/measures/Store.ts"
import { fewestForInterval, median, medianInterval, quantile, ratioOf, summarize } from "../../../bench/Statistics.ts"
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
    // Multiplying by powers of two is exact.
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

describe("the interval of a median", () => {
  it("equals the interval of the sign test", () => {
    const upTo = (count: number) => Array.from({ length: count }, (_, at) => at + 1).toReversed()
    // The lower rank is the greatest k for which a binomial variable of n and 1/2 is less than k with a probability of at most 2.5 %.
    assert.deepStrictEqual(medianInterval(upTo(6)), { lower: 1, upper: 6 })
    assert.deepStrictEqual(medianInterval(upTo(10)), { lower: 2, upper: 9 })
    assert.deepStrictEqual(medianInterval(upTo(20)), { lower: 6, upper: 15 })
    assert.deepStrictEqual(medianInterval(upTo(30)), { lower: 10, upper: 21 })
    assert.deepStrictEqual(medianInterval(upTo(100)), { lower: 40, upper: 61 })
  })

  it("has infinite ends for too few numbers", () => {
    const infinite = { lower: -Infinity, upper: Infinity }
    assert.deepStrictEqual(medianInterval([]), infinite)
    assert.deepStrictEqual(medianInterval(Array(fewestForInterval - 1).fill(1)), infinite)
    assert.deepStrictEqual(medianInterval(Array(fewestForInterval).fill(1)), { lower: 1, upper: 1 })
  })

  it("contains the true median in at least 95 of 100 equally likely lists", () => {
    // Each of 12 numbers is above or below the true median, 0, with equal probability.
    const size = 12
    const lists = Array.from({ length: 2 ** size }, (_, bits) =>
      Array.from({ length: size }, (_, at) => ((bits >> at) & 1 ? at + 1 : -at - 1))
    )
    const holds = lists.filter((list) => {
      const { lower, upper } = medianInterval(list)
      return lower < 0 && upper > 0
    })
    assert.isAtLeast(holds.length / lists.length, 0.95)
  })

  it.prop("contains the median of the list", [samples], ([all]) => {
    const { lower, upper } = medianInterval(all)
    assert.isTrue(lower <= median(all) && median(all) <= upper)
  })
})

describe("a comparison of two builds", () => {
  const times = [100, 104, 98, 110, 101, 99, 103, 250, 102, 97]
  const judged = (factor: number) => judge({ ours: times.map((time) => time * factor), theirs: times })

  it("finds a difference that all rounds show, however noisy the machine is", () => {
    assert.deepStrictEqual(
      [judged(1.1), judged(1.02), judged(0.9)].map(({ verdict }) => verdict),
      ["regression", "slower", "faster"]
    )
    assert.closeTo(judged(1.1).ratio, 1.1, 1e-9)
  })

  it("finds no difference between a build and itself, nor one that rounds contradict", () => {
    assert.strictEqual(judged(1).verdict, "no difference")
    const theirs = times.map((time, at) => time * (at % 2 === 0 ? 1.2 : 0.8))
    assert.strictEqual(judge({ ours: times, theirs }).verdict, "no difference")
  })

  it("ignores one contradicting round of ten, but not two", () => {
    const ours = times.map((time, at) => time * (at === 0 ? 0.5 : 1.1))
    assert.strictEqual(judge({ ours, theirs: times }).verdict, "regression")
    const two = times.map((time, at) => time * (at < 2 ? 0.5 : 1.1))
    assert.strictEqual(judge({ ours: two, theirs: times }).verdict, "no difference")
  })

  it("is printed with both medians, the ratio, its interval and the verdict", () => {
    const pair = { title: "start", ours: times.map((time) => time * 1.1), theirs: times }
    const [, row = ""] = againstTable("abc", [pair]).split("\n")
    assert.deepStrictEqual(row.split(/ {2,}/), [
      "start",
      "112 s",
      "102 s",
      "1.100",
      "1.100 - 1.100",
      "10",
      "regression"
    ])
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
