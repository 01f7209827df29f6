import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { measures } from "../../../bench/Measures.ts"
import { againstNames, measureNames, parseOptions, usage } from "../../../bench/Options.ts"
import { keptEngines } from "../../../bench/Results.ts"

describe("the command line of the benchmark", () => {
  it.effect("runs all measures by default", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* parseOptions([]), {
        help: false,
        pages: false,
        runs: 10,
        measures: measureNames,
        megabytes: 100,
        against: undefined,
        seed: undefined,
        engine: undefined,
        json: undefined,
        keep: false
      })
    })
  )

  it.effect("runs measures in their own order, each once; flags may stand anywhere", () =>
    Effect.gen(function* () {
      const options = yield* parseOptions(["store", "--runs", "3", "cold", "store", "--full", "--engine=28.5"])
      assert.deepStrictEqual(options.measures, ["cold", "store"])
      assert.deepStrictEqual([options.runs, options.megabytes, options.engine], [3, 1000, "28.5"])
    })
  )

  it.effect("keeps the figures of either engine of the pages", () =>
    Effect.gen(function* () {
      for (const engine of keptEngines) {
        const options = yield* parseOptions(["--keep", "--engine", engine, "cold"])
        assert.deepStrictEqual([options.keep, options.engine], [true, engine])
      }
    })
  )

  it.effect("compares two commits by the measures that can, all of them by default", () =>
    Effect.gen(function* () {
      const options = yield* parseOptions(["--against", "HEAD~1", "--runs=6"])
      assert.deepStrictEqual([options.against, options.measures], ["HEAD~1", againstNames])
      const chosen = yield* parseOptions(["cold", "start", "--against=v1"])
      assert.deepStrictEqual(chosen.measures, ["start", "cold"])
    })
  )

  it.effect.each([
    ["hot", /unknown measure "hot"/],
    ["--runs=0", /invalid --runs "[\d.]+": expected a number/],
    ["--runs=1.5", /invalid --runs "[\d.]+": expected a number/],
    ["--engine=19", /invalid --engine "19": expected one of 20.10, /],
    ["--fast", /--fast/],
    ["--keep --engine=26.1", /--keep and --engine 26.1 cannot be combined: expected 28.5 or 20.10/],
    ["--keep --engine=28.5+containerd", /--keep and --engine 28.5\+containerd cannot be combined/],
    ["--against HEAD --keep", /--against and --keep cannot be combined/],
    ["--against HEAD --json=out", /--against and --json cannot be combined/],
    ["--against HEAD --runs=5", /--against needs at least 6 rounds/],
    ["--against HEAD memory", /cannot compare two commits by the measure memory: expected start, /]
  ] as const)("refuses %s", ([word, message]) =>
    Effect.gen(function* () {
      const { message: text } = yield* Effect.flip(parseOptions(word.split(" ")))
      assert.match(text, message)
      assert.include(text, usage)
    })
  )

  it("names every measure", () => {
    assert.deepStrictEqual(Object.keys(measures), [...measureNames])
    for (const name of measureNames) assert.include(usage, name)
  })
})
