/** `npm run chaos`: runs commands with task-exec on a real swarm while faults happen. Checks every promise, independently of task-exec. */
import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as References from "effect/References"
import { runMain } from "../../adapters/RunMain.ts"
import { checkMachine, installMissing } from "../cluster/Install.ts"
import { engineOptions } from "../cluster/NewerEngine.ts"
import { type Options, parseOptions, usage, WrongUsage } from "./Options.ts"
import { drawPlan } from "./Plan.ts"
import { runLine, table, violationText } from "./Report.ts"
import { performRun, type RunReport } from "./Run.ts"
import { drawShortPlan } from "./ShortForm.ts"
import { ChaosStage } from "./Stage.ts"

/** Performs runs on one swarm until all are done, the time is up, or the swarm does not recover. */
const runsOnOneSwarm = Effect.fnUntraced(function* (
  options: Options,
  seed: number,
  done: Array<RunReport>,
  deadline: number
) {
  const stage = yield* ChaosStage
  while (done.length < options.runs && (yield* Clock.currentTimeMillis) < deadline) {
    const number = options.from + done.length
    const short = options.short ? drawShortPlan(seed, number) : undefined
    const report = yield* performRun(
      stage,
      short ?? drawPlan(seed, number, { faults: options.only, kind: options.kind })
    )
    done.push(report)
    yield* Console.log(runLine(report))
    if (report.violations.length > 0) yield* Console.log(`\n${violationText(report, formOf(options))}\n`)
    if (report.unhealthy !== undefined) return yield* Console.log(`${report.unhealthy}; bringing up another swarm`)
  }
}, Effect.scoped)

const hasViolation = ({ violations }: RunReport): boolean => violations.length > 0

const formOf = ({ engine, kind, only, short }: Options): ReadonlyArray<string> => [
  ...(engine === undefined ? [] : ["--engine", engine]),
  ...(kind === undefined ? [] : ["--kind", kind]),
  ...(only.length === 0 ? [] : ["--only", only.join("+")]),
  ...(short ? ["--short"] : [])
]

const chaos = Effect.gen(function* () {
  const options = yield* parseOptions(process.argv.slice(2))
  if (options.help) {
    yield* Console.log(usage)
    return 0
  }
  yield* checkMachine()
  yield* installMissing()
  const start = yield* Clock.currentTimeMillis
  const seed = options.seed ?? (start % 1_000_000) + 1
  yield* Console.log(`seed ${seed}`)
  const done: Array<RunReport> = []
  const deadline = start + options.atMost
  const tell = Effect.suspend(() => {
    const numbers = (reports: ReadonlyArray<RunReport>) => reports.map(({ plan }) => plan.number).join(", ")
    const broken = numbers(done.filter(hasViolation))
    const unjudged = numbers(done.filter((report) => !hasViolation(report) && report.unhealthy !== undefined))
    const sum = [
      broken === "" ? "no violation" : `violations in runs ${broken}`,
      ...(unjudged === "" ? [] : [`the swarm did not get well again after runs ${unjudged}`])
    ].join("; ")
    return Console.log(`\n${table(done)}\n\n${done.length} runs of seed ${seed}, ${sum}`)
  })
  const stage = ChaosStage.layerOn(options.engine === undefined ? {} : yield* engineOptions(options.engine))
  const all = Effect.gen(function* () {
    while (done.length < options.runs && (yield* Clock.currentTimeMillis) < deadline)
      yield* Effect.provide(runsOnOneSwarm(options, seed, done, deadline), stage)
  })
  yield* Effect.ensuring(all, tell)
  return done.some((report) => hasViolation(report) || report.unhealthy !== undefined) ? 1 : 0
}).pipe(
  Effect.onInterrupt(() => Console.error("interrupted: the swarm was taken down")),
  Effect.catch((error) => Effect.as(Console.error(`chaos: ${error.message}`), error instanceof WrongUsage ? 2 : 1)),
  Effect.provideService(References.MinimumLogLevel, "Warn")
)

runMain(chaos)
