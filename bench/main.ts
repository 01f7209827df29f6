/**
 * `npm run bench`: compares task-exec with other tools for the same purpose, on a real swarm on this machine. The figures depend on the
 * machine and its load: no test asserts them.
 */

import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as References from "effect/References"
import * as Schema from "effect/Schema"
import { runMain } from "../adapters/RunMain.ts"
import { checkMachine } from "../test/cluster/Install.ts"
import { engineOptions } from "../test/cluster/NewerEngine.ts"
import { searchPath } from "../test/cluster/Packages.ts"
import { openSsh } from "../test/cluster/Ssh.ts"
import { clusterVariable, SwarmCluster } from "../test/cluster/SwarmCluster.ts"
import { installTools } from "../test/cluster/Tools.ts"
import { compareBuilds } from "./Against.ts"
import type { Comparison, Occasion } from "./Comparison.ts"
import { type Bench, checkBuilt } from "./Contenders.ts"
import { measureEach } from "./EachMeasure.ts"
import { commitOfNow, describeMachine, loadNow } from "./Machine.ts"
import { measures } from "./Measures.ts"
import { type MeasureName, measureNames, type Options, parseOptions, usage, WrongUsage } from "./Options.ts"
import { prepareOriginal } from "./Original.ts"
import { writePages } from "./Page.ts"
import {
  type KeptEngine,
  keptEngineOf,
  keptEngines,
  keptResults,
  merge,
  printResults,
  type Results,
  resultsFile,
  writeInProject
} from "./Results.ts"
import { makeStage } from "./Stage.ts"
import { comparisonTable, textTable } from "./TextTable.ts"

const temporaryFolder = Effect.acquireRelease(
  Effect.promise(() => mkdtemp(join(tmpdir(), "task-exec-bench-"))),
  (dir) => Effect.promise(() => rm(dir, { recursive: true }))
)

/** Debian packages that the measures need, each with a program that it contains. */
const tools = {
  hyperfine: "hyperfine",
  time: "time",
  "openssh-client": "ssh-keygen",
  "openssh-server": "sshd",
  "docker.io": "docker"
}

/** Prepares the swarm for the measures. */
const makeBench = Effect.fnUntraced(function* (options: Options) {
  const dir = yield* temporaryFolder
  const stage = yield* makeStage()
  const { image, manager, registry, remote } = stage
  const ssh = yield* openSsh(dir, remote.node)
  const original =
    options.seed === undefined
      ? undefined
      : yield* prepareOriginal(resolve(options.seed), { dir, registry, socket: manager.socket })
  // The caller's own environment has no influence.
  const env = {
    PATH: `${ssh.bin}:${searchPath}`,
    HOME: dir,
    LC_ALL: "C.UTF-8",
    DOCKER_HOST: manager.dockerHost,
    TASK_EXEC_IMAGE: image
  }
  const { megabytes, runs } = options
  const bench: Bench = { stage, ssh, original, options: { runs, env, dir }, megabytes }
  return bench
})

/** Runs the chosen measures on the swarm. */
const measureAll = Effect.fnUntraced(function* (options: Options, load: number) {
  const bench = yield* makeBench(options)
  const { manager } = bench.stage
  const machine = yield* describeMachine(manager.socket, load)
  // Before the measures: an engine whose figures cannot be kept does not waste their time.
  const engine = yield* engineToKeep(options, machine.engine)
  const commit = yield* commitOfNow
  const now = Effect.map(Clock.currentTimeMillis, (millis) => new Date(millis).toISOString())
  const comparisons: Array<Comparison> = []
  const save = Effect.fnUntraced(function* (dated: ReadonlyArray<Comparison>) {
    comparisons.push(...dated)
    yield* Console.error(comparisonTable(dated))
    yield* write(options, { date: yield* now, commit, machine, runs: options.runs, comparisons }, engine)
  })
  const compare = Effect.fnUntraced(function* (name: MeasureName) {
    const compared = yield* measures[name](bench)
    const occasion: Occasion = { date: yield* now, commit, load: yield* loadNow }
    return compared.map((one): Comparison => ({ ...one, occasion }))
  })
  const failed = yield* measureEach(options.measures, compare, save)
  const results: Results = { date: yield* now, commit, machine, runs: options.runs, comparisons }
  return { results, engine, failed }
}, Effect.scoped)

/** The figures of this engine are not kept. */
class NotKept extends Schema.TaggedError<NotKept>()("NotKept", { engine: Schema.String }) {
  override get message(): string {
    return `cannot keep figures of engine ${this.engine}: expected ${keptEngines.join(" or ")}`
  }
}

/**
 * The engine whose kept results this run replaces. With `--keep`, a run replaces the figures of its measures. A run of all measures on a swarm
 * of its own replaces all figures of its engine. Other runs replace nothing.
 */
const engineToKeep = Effect.fnUntraced(function* ({ engine, keep, measures: chosen }: Options, version: string) {
  const isWhole = sharedCluster === undefined && chosen.length === measureNames.length
  const kept = keptEngineOf(engine ?? version)
  if (keep && kept === undefined) return yield* new NotKept({ engine: version })
  return keep || isWhole ? kept : undefined
})

/** Writes the figures so far to the file of `--json`, and replaces the kept figures of their measures. */
const write = Effect.fnUntraced(function* ({ json }: Options, results: Results, engine: KeptEngine | undefined) {
  if (json !== undefined) yield* Effect.promise(() => writeFile(resolve(json), printResults(results)))
  if (engine === undefined) return
  const before = keptResults(engine)
  const kept = before === undefined ? results : merge(before, results, measureNames)
  yield* writeInProject(resultsFile(engine), printResults(kept))
})

/** Prints the figures, and generates the pages if they are kept. */
const report = Effect.fnUntraced(function* (results: Results, engine: KeptEngine | undefined) {
  if (results.comparisons.length === 0) return
  yield* Console.log(`\n${textTable(results)}`)
  if (engine === undefined) return
  yield* writePages
  yield* Console.log(`\nEvery sample is in ${resultsFile(engine)}.`)
})

/** The folder of a running swarm, if the environment names one. */
const sharedCluster = process.env[clusterVariable]

/** Compares this build with that of another commit. Returns the exit code. */
const compareOnSwarm = Effect.fnUntraced(function* (options: Options, revision: string) {
  const bench = yield* makeBench(options)
  return (yield* compareBuilds(bench, revision, options.measures)) ? 0 : 1
}, Effect.scoped)

/** Measures on the running swarm that the environment names, or on a new one. */
const onSwarm = Effect.fnUntraced(function* <A, E>({ engine }: Options, measured: Effect.Effect<A, E, SwarmCluster>) {
  if (sharedCluster === undefined) {
    yield* Console.error("starting the swarm")
    const newer = engine === undefined ? {} : yield* engineOptions(engine)
    return yield* Effect.provide(measured, SwarmCluster.layer({ nodes: 3, ...newer }))
  }
  if (engine !== undefined)
    return yield* new WrongUsage({ detail: `--engine needs a new swarm, but ${clusterVariable} names a running one` })
  yield* Console.error(`using the swarm in ${sharedCluster}`)
  return yield* Effect.provide(measured, SwarmCluster.layerShared)
})

const bench = Effect.gen(function* () {
  const options = yield* parseOptions(process.argv.slice(2))
  if (options.help) {
    yield* Console.log(usage)
    return 0
  }
  if (options.pages) {
    yield* writePages
    return 0
  }
  const load = yield* loadNow
  yield* checkBuilt
  yield* checkMachine()
  yield* installTools(tools)
  if (options.against !== undefined) return yield* onSwarm(options, compareOnSwarm(options, options.against))
  const { engine, failed, results } = yield* onSwarm(options, measureAll(options, load))
  yield* report(results, engine)
  if (failed.length > 0) yield* Console.error(`bench: these measures failed: ${failed.join(", ")}`)
  return failed.length === 0 ? 0 : 1
}).pipe(
  Effect.onInterrupt(() => Console.error("interrupted: the swarm was removed")),
  Effect.catch((error) => Effect.as(Console.error(`bench: ${error.message}`), error instanceof WrongUsage ? 2 : 1)),
  Effect.provideService(References.MinimumLogLevel, "Warn")
)

runMain(bench)
