/** The short form of the chaos suite, on a swarm of its own. */
import { assert, it, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { imageFor } from "../integration/SwarmPool.ts"
import { faultNames, faultsOf, kinds } from "./Plan.ts"
import { violationText } from "./Report.ts"
import { performRun, type RunReport } from "./Run.ts"
import { drawShortPlan, shortForm, shortSeed } from "./ShortForm.ts"
import { ChaosStage } from "./Stage.ts"

it("the short form contains every fault, and every kind of work with and without agents", () => {
  assert.sameMembers([...new Set(shortForm.flatMap(({ faults }) => faults))], [...faultNames])
  for (const agents of [false, true]) {
    const some = shortForm.filter((run) => (run.agents ?? false) === agents)
    assert.sameMembers([...new Set(some.map(({ kind }) => kind ?? "command"))], [...kinds])
  }
})

/** On a busy machine, the target of a fault may have ended before the fault. Such a run proves nothing and is repeated. */
const attempts = 5

layer(ChaosStage.layerWith(imageFor, {}), { excludeTestServices: true, timeout: "300 seconds" })(
  "chaos, the short form",
  (it) => {
    /** The reason why the remaining runs are skipped. */
    let unwell: string | undefined

    for (const at of shortForm.keys()) {
      const plan = drawShortPlan(shortSeed, at + 1)
      assert(plan !== undefined)
      it.effect(
        `run ${at + 1}: ${faultsOf(plan)}, ${plan.kind}, route ${plan.route}`,
        () =>
          Effect.gen(function* () {
            assert(unwell === undefined, `not tried: ${unwell}`)
            const stage = yield* ChaosStage
            for (let attempt = 1; ; attempt++) {
              const report: RunReport = yield* performRun(stage, plan)
              unwell = report.unhealthy
              const { missed, unhealthy, violations } = report
              const isBroken = violations.length > 0 || unhealthy !== undefined
              if (isBroken || (missed.length > 0 && attempt === attempts))
                assert.fail(violationText(report, ["--short"]))
              if (missed.length === 0) return
            }
          }),
        900_000
      )
    }
  }
)
