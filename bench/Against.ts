/** `npm run bench -- --against REV`: runs this build and the build of another commit in turn, and compares their times. */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { type Bench, type Build, on, piped, quartered, taskExecOf, thisBuild } from "./Contenders.ts"
import { measureEach } from "./EachMeasure.ts"
import { figure } from "./Figures.ts"
import { type Contender, type Measured, measure } from "./Measure.ts"
import { agents } from "./measures/Agent.ts"
import { writer } from "./measures/Throughput.ts"
import { type AgainstName, againstNames, type MeasureName, regressionBound } from "./Options.ts"
import { buildOther } from "./OtherBuild.ts"
import { medianInterval, ratiosOf, summarize } from "./Statistics.ts"
import { align } from "./TextTable.ts"

/** What the rounds show about the ratio of this build's time to the other build's. */
export type Verdict = "regression" | "slower" | "faster" | "no difference"

/** The times of both builds, round by round. */
export interface Pair {
  /** `local, CPU time` */
  readonly title: string
  /** Seconds of this build. */
  readonly ours: ReadonlyArray<number>
  /** Seconds of the other build. */
  readonly theirs: ReadonlyArray<number>
}

/**
 * Compares both builds round by round: what disturbs the machine disturbs both. A difference is larger than the noise if the 95 % interval of
 * the median ratio excludes 1. It is a regression if the whole interval is above {@link regressionBound}.
 */
export const judge = ({ ours, theirs }: Pick<Pair, "ours" | "theirs">) => {
  const ratios = ratiosOf(ours, theirs)
  const interval = medianInterval(ratios)
  const verdict: Verdict =
    interval.lower > regressionBound
      ? "regression"
      : interval.lower > 1
        ? "slower"
        : interval.upper < 1
          ? "faster"
          : "no difference"
  return { ratio: summarize(ratios).median, interval, verdict }
}

/** The comparison as a table. */
export const againstTable = (other: string, pairs: ReadonlyArray<Pair>): string =>
  align([
    ["", "this build", other, "ratio", "95 % interval", "n", ""],
    ...pairs.map((pair) => {
      const { interval, ratio, verdict } = judge(pair)
      return [
        pair.title,
        figure(summarize(pair.ours).median, "seconds"),
        figure(summarize(pair.theirs).median, "seconds"),
        ratio.toFixed(3),
        `${interval.lower.toFixed(3)} - ${interval.upper.toFixed(3)}`,
        String(pair.ours.length),
        verdict
      ]
    })
  ]).join("\n")

type Commands = Readonly<Record<AgainstName, (bench: Bench) => (build: Build) => Contender>>

const commands: Commands = {
  start: () => (build) => taskExecOf(build, "--version"),
  local:
    ({ stage: { local, manager } }) =>
    (build) =>
      on(manager, taskExecOf(build, local.target, "true")),
  cold:
    ({ stage: { remote } }) =>
    (build) =>
      taskExecOf(build, remote.target, "true"),
  input:
    ({ stage: { remote } }) =>
    (build) =>
      piped(taskExecOf(build, "-i", remote.target, "cat"), "hi"),
  agent:
    ({ stage: { manager, remote } }) =>
    (build) =>
      on(manager, taskExecOf(build, "--via", "agent", remote.target, "true")),
  throughput: ({ megabytes, stage: { remote } }) => {
    const bytes = megabytes * 1_000_000
    return (build) => ({ ...taskExecOf(build, remote.target, ...writer(bytes)), bytes })
  }
}

const joined = (parts: ReadonlyArray<Measured>) => ({
  seconds: parts.flatMap(({ seconds }) => seconds),
  cpuSeconds: parts.flatMap(({ cpuSeconds }) => cpuSeconds)
})

/** Agents of two builds cannot run at the same time: each build has its agents for a quarter of the rounds at a time. */
const withAgents = Effect.fnUntraced(function* (
  options: Bench["options"],
  builds: readonly [Build, Build],
  contender: (build: Build) => Contender
) {
  const block = quartered(options)
  const measureWith = (build: Build) =>
    Effect.scoped(
      Effect.andThen(
        agents({ env: { ...options.env, TASK_EXEC_IMAGE: build.image } }, build.folder),
        measure(`commands of ${build.name} by an agent`, [contender(build)], block)
      )
    )
  const [ours, theirs] = builds
  const blocks = yield* Effect.forEach(Array.from({ length: Math.ceil(options.runs / block.runs) }), (_, at) =>
    Effect.gen(function* () {
      // Another build is first in each block.
      const first = yield* measureWith(at % 2 === 0 ? ours : theirs)
      const second = yield* measureWith(at % 2 === 0 ? theirs : ours)
      return at % 2 === 0 ? { ours: first, theirs: second } : { ours: second, theirs: first }
    })
  )
  return [joined(blocks.flatMap((one) => one.ours)), joined(blocks.flatMap((one) => one.theirs))] as const
})

const inTurn = Effect.fnUntraced(function* (
  name: AgainstName,
  options: Bench["options"],
  builds: readonly [Build, Build],
  contender: (build: Build) => Contender
) {
  const measured = yield* measure(`${name} of both builds`, builds.map(contender), options)
  return [joined(measured.slice(0, 1)), joined(measured.slice(1))] as const
})

/** Measures both builds in turn, and prints the comparison. Returns whether each measure succeeded and shows no regression. */
export const compareBuilds = Effect.fn("Against.compare")(function* (
  bench: Bench,
  revision: string,
  chosen: ReadonlyArray<MeasureName>
) {
  const other = yield* buildOther(revision, bench.options.dir, bench.stage)
  const builds = [thisBuild(bench.stage), other] as const
  const names = againstNames.filter((name) => chosen.includes(name))
  const compare = Effect.fnUntraced(function* (name: AgainstName) {
    const contender = commands[name](bench)
    const { options } = bench
    const [ours, theirs] = yield* name === "agent"
      ? withAgents(options, builds, contender)
      : inTurn(name, options, builds, contender)
    const both: ReadonlyArray<Pair> = [
      { title: name, ours: ours.seconds, theirs: theirs.seconds },
      { title: `${name}, CPU time`, ours: ours.cpuSeconds, theirs: theirs.cpuSeconds }
    ]
    return both
  })
  const all: Array<Pair> = []
  const failed = yield* measureEach(names, compare, (both) => {
    all.push(...both)
    return Console.error(againstTable(other.name, both))
  })
  if (all.length > 0) yield* Console.log(againstTable(other.name, all))
  if (failed.length > 0) yield* Console.error(`bench: these measures failed: ${failed.join(", ")}`)
  return failed.length === 0 && all.every((pair) => judge(pair).verdict !== "regression")
})
