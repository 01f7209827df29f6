/** The short form of the chaos suite, on a swarm of its own. */
import { assert, it, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { faultNames, faultsOf, kinds } from "./Plan.ts"
import { violationText } from "./Report.ts"
import { performRun } from "./Run.ts"
import { drawShortPlan, shortForm, shortSeed } from "./ShortForm.ts"
import { ChaosStage } from "./Stage.ts"

it("the short form has every fault, and every kind of work with and without agents", () => {
  assert.sameMembers([...new Set(shortForm.flatMap(({ faults }) => faults))], [...faultNames])
  for (const agents of [false, true]) {
    const some = shortForm.filter((run) => (run.agents ?? false) === agents)
    assert.sameMembers([...new Set(some.map(({ kind }) => kind ?? "command"))], [...kinds])
  }
})

layer(ChaosStage.layer, { excludeTestServices: true, timeout: "120 seconds" })("chaos, the short form", (it) => {
  /** Why there is no use in going on. */
  let unwell: string | undefined

  for (const at of shortForm.keys()) {
    const plan = drawShortPlan(shortSeed, at + 1)
    assert(plan !== undefined)
    it.effect(
      `run ${at + 1}: ${faultsOf(plan)}, ${plan.kind}, route ${plan.route}`,
      () =>
        Effect.gen(function* () {
          assert(unwell === undefined, `not tried: ${unwell}`)
          const report = yield* performRun(yield* ChaosStage, plan)
          unwell = report.unhealthy
          const { missed, unhealthy, violations } = report
          const broken = violations.length > 0 || missed.length > 0 || unhealthy !== undefined
          if (broken) assert.fail(violationText(report, ["--short"]))
        }),
      300_000
    )
  }
})
