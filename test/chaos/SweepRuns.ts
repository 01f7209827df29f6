/** The sweep after a run, by the built `task-exec gc`, as an operator would run it. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { poll } from "../cluster/Poll.ts"
import type { SwarmClusterShape } from "../cluster/SwarmCluster.ts"
import { callerEnv, startCaller } from "./Caller.ts"
import type { Stage } from "./Stage.ts"
import { runIds, swarmObjects } from "./SwarmView.ts"
import type { Timeline } from "./Timeline.ts"

/** A sweep that did not reach a node is repeated, as an operator would do. */
const attempts = 3
/** How long Swarm may take to remove the containers of removed services, in milliseconds. */
const removalTimeout = 30_000

/** IDs of the runs that own objects which are not removed without a sweep. */
const runsLeft = Effect.fnUntraced(function* (cluster: SwarmClusterShape) {
  const look = Effect.gen(function* () {
    const [objects, runs] = yield* Effect.all([swarmObjects(cluster), runIds(cluster)], { concurrency: 2 })
    return runs.length === 0 || objects.length > 0 ? Option.some(runs) : Option.none()
  })
  return yield* poll(look, { every: 400, atMost: removalTimeout, orElse: runIds(cluster) })
})

/** Removes the objects of all runs, whatever their deadline. The checks decide whether it succeeded. */
export const sweepRuns = Effect.fnUntraced(function* ({ cluster, image, taskExec }: Stage, timeline: Timeline) {
  for (let attempt = 1; attempt <= attempts; attempt++) {
    const runs = yield* runsLeft(cluster)
    if (runs.length === 0) return
    const gc = yield* startCaller(
      [process.execPath, taskExec, "gc", ...runs.flatMap((run) => ["--run", run])],
      callerEnv(cluster.manager.dockerHost, image)
    )
    const { code, signal } = yield* gc.ended
    const said = `${gc.stdout().toString()}${gc.stderr()}`.trimEnd().split("\n")
    yield* timeline.note(`task-exec gc ${runs.map((run) => `--run ${run}`).join(" ")}: ${code ?? signal}`)
    for (const line of said) yield* timeline.note(`  ${line}`)
    if (code === 0) return
  }
}, Effect.scoped)
