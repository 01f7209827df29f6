import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { makeDice } from "../../chaos/Dice.ts"
import { parseOptions } from "../../load/Options.ts"
import { kindOf } from "../../load/Soak.ts"

describe("the command line of the loads", () => {
  it.effect("keeps the samples of a soak only", () =>
    Effect.gen(function* () {
      const options = yield* parseOptions(["soak", "--keep", "--minutes", "2", "--at-once=4"])
      assert.deepStrictEqual(
        [options?.mode, options?.keep, options?.atMost, options?.atOnce],
        ["soak", true, 120_000, 4]
      )
      const { message } = yield* Effect.flip(parseOptions(["tunnels", "--keep"]))
      assert.match(message, /--keep and tunnels cannot be combined/)
    })
  )
})

describe("the ways of a soak", () => {
  it("are all used, those with a helper most often", () => {
    const counts = Map.groupBy(
      Array.from({ length: 800 }, (_, at) => kindOf(makeDice(`1/${at}`))),
      (kind) => kind
    )
    assert.sameMembers([...counts.keys()], ["local", "helper", "agent", "tunnel"])
    const helpers = counts.get("helper")?.length ?? 0
    for (const [kind, { length }] of counts) if (kind !== "helper") assert.isBelow(length, helpers, kind)
  })
})
