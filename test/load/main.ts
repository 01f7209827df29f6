/** `npm run load`: the effect of many commands on the engines of a real swarm. */
import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as References from "effect/References"
import { runMain } from "../../adapters/RunMain.ts"
import { commitOfNow, describeHost } from "../../bench/Machine.ts"
import { writePages } from "../../bench/Page.ts"
import { writeInProject } from "../../bench/Results.ts"
import { printSoak, type Soak, soakFile } from "../../bench/Soak.ts"
import { soakLines } from "../../bench/SoakTable.ts"
import { engineOptions } from "../cluster/NewerEngine.ts"
import { clusterVariable, SwarmCluster } from "../cluster/SwarmCluster.ts"
import { runEnded, summary } from "./Ended.ts"
import { type LoadStage, makeStage } from "./LoadStage.ts"
import { type Options, parseOptions, usage, WrongUsage } from "./Options.ts"
import { soak } from "./Soak.ts"
import { describeRuns, tunnelsAfterAgents, tunnelsAtOnce } from "./Tunnels.ts"
import { complaints } from "./Verdict.ts"

/** When and where a load ran. */
const occasion = Effect.fnUntraced(function* ({ cluster: { manager } }: LoadStage) {
  const date = new Date(yield* Clock.currentTimeMillis).toISOString()
  return { date, commit: yield* commitOfNow, machine: yield* describeHost(manager.socket) }
})

const say = (lines: ReadonlyArray<string>) => Console.log(lines.join("\n"))

/** Runs the requested load. Returns the number of failures. */
const perform = Effect.fnUntraced(function* (stage: LoadStage, options: Options, seed: number) {
  if (options.mode === "tunnels") {
    const atOnce = yield* tunnelsAtOnce(stage, options.atOnce)
    yield* say(describeRuns(`${options.atOnce} tunnels at once`, atOnce))
    const inTurn = yield* tunnelsAfterAgents(stage, options.runs)
    yield* say(describeRuns(`${options.runs} tunnels in turn, after agent down`, inTurn))
    return [...atOnce, ...inTurn].filter(({ failure }) => failure !== "").length
  }
  if (options.mode === "soak") {
    const { failures, ...soaked } = yield* soak(stage, { ...options, seed })
    const found: Soak = { ...(yield* occasion(stage)), ...soaked, atOnce: options.atOnce, failed: failures.length }
    yield* say([...failures, ...soakLines(found)])
    if (options.keep) {
      yield* writeInProject(soakFile, printSoak(found))
      yield* writePages
    }
    return failures.length
  }
  const done = yield* runEnded(stage, { ...options, scene: options.mode, seed })
  yield* say([`${done.length} commands`, ...summary(done)])
  return done.filter(({ exit }) => exit === "stuck").length
})

const load = Effect.gen(function* () {
  const options = yield* parseOptions(process.argv.slice(2))
  if (options === undefined) {
    yield* Console.log(usage)
    return 0
  }
  const start = yield* Clock.currentTimeMillis
  const seed = options.seed ?? (start % 1_000_000) + 1
  yield* Console.log(`seed ${seed}`)
  const engine = options.engine === undefined ? {} : yield* engineOptions(options.engine)
  const isGiven = process.env[clusterVariable] !== undefined
  const work = Effect.gen(function* () {
    const stage = yield* makeStage
    const failed = yield* perform(stage, options, seed)
    const wrong = yield* complaints(stage.cluster)
    const seconds = Math.round(((yield* Clock.currentTimeMillis) - start) / 1000)
    yield* say([
      ...wrong,
      wrong.length === 0 ? `no engine crashed, nothing is left (${seconds} s)` : `after ${seconds} s`
    ])
    return failed + wrong.length === 0 ? 0 : 1
  }).pipe(Effect.scoped)
  return yield* isGiven
    ? Effect.provide(work, SwarmCluster.layerShared)
    : Effect.provide(work, SwarmCluster.layer({ nodes: 3, ...engine }))
}).pipe(
  Effect.onInterrupt(() => Console.error("interrupted")),
  Effect.catch((error) => Effect.as(Console.error(`load: ${error.message}`), error instanceof WrongUsage ? 2 : 1)),
  Effect.provideService(References.MinimumLogLevel, "Warn")
)

runMain(load)
