/** The short form of `npm run load`. */
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { SwarmCluster } from "../cluster/SwarmCluster.ts"
import { runEnded, summary } from "../load/Ended.ts"
import { stageWith } from "../load/LoadStage.ts"
import type { SceneName } from "../load/Scenes.ts"
import { tunnelsAfterAgents } from "../load/Tunnels.ts"
import { complaints } from "../load/Verdict.ts"
import { checkLeftovers } from "./Harness.ts"

checkLeftovers()

const stage = Effect.suspend(() => stageWith(process.env.TASK_EXEC_IMAGE ?? ""))

layer(SwarmCluster.layerShared, { excludeTestServices: true, timeout: "300 seconds" })("many commands", (it) => {
  const scenes: ReadonlyArray<readonly [SceneName, number]> = [
    ["run", 12],
    ["fleet", 4],
    ["gc", 4]
  ]
  for (const [scene, runs] of scenes)
    it.effect(`${scene}: runs that end at random moments crash no engine and leave nothing`, () =>
      Effect.gen(function* () {
        const { cluster, ...rest } = yield* stage
        const done = yield* runEnded({ cluster, ...rest }, { scene, runs, atOnce: 4, seed: 1, atMost: 300_000 })
        assert.deepStrictEqual(
          done.filter(({ exit }) => exit === "stuck"),
          [],
          summary(done).join("\n")
        )
        assert.deepStrictEqual(yield* complaints(cluster), [], summary(done).join("\n"))
      })
    )

  it.effect("succeed by tunnels while agents are deployed and removed between them", () =>
    Effect.gen(function* () {
      const here = yield* stage
      const runs = yield* tunnelsAfterAgents(here, 3)
      assert.deepStrictEqual(
        runs.map(({ failure }) => failure),
        runs.map(() => "")
      )
    })
  )
})
