/**
 * `npm run bench`: task-exec side by side with other ways to do the same, on a real swarm on this machine. Figures depend on
 * the machine and on what else it does: nothing is asserted of them.
 */

import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as References from "effect/References"
import { runMain } from "../adapters/RunMain.ts"
import { checkMachine } from "../test/cluster/Install.ts"
import { engineOptions } from "../test/cluster/NewerEngine.ts"
import { searchPath } from "../test/cluster/Packages.ts"
import { openSsh } from "../test/cluster/Ssh.ts"
import { SwarmCluster } from "../test/cluster/SwarmCluster.ts"
import { installTools } from "../test/cluster/Tools.ts"
import { commitOfNow, describeMachine, loadNow } from "./Machine.ts"
import { measures } from "./Measures.ts"
import { measureNames, type Options, parseOptions, usage, WrongUsage } from "./Options.ts"
import { prepareOriginal } from "./Original.ts"
import { pagesOf } from "./Page.ts"
import { keptResults, printResults, type Results, resultsFile, writeInProject } from "./Results.ts"
import { makeStage } from "./Stage.ts"
import { textTable } from "./TextTable.ts"
import { type Bench, checkBuilt } from "./Ways.ts"

const temporaryFolder = Effect.acquireRelease(
  Effect.promise(() => mkdtemp(join(tmpdir(), "task-exec-bench-"))),
  (dir) => Effect.promise(() => rm(dir, { recursive: true }))
)

/** What is measured with, and against: Debian's packages, with the program of each. */
const tools = {
  hyperfine: "hyperfine",
  time: "time",
  "openssh-client": "ssh-keygen",
  "openssh-server": "sshd",
  "docker.io": "docker"
}

/** Measures what is asked for, on the swarm. */
const measureAll = Effect.fnUntraced(function* (options: Options, load: number) {
  const dir = yield* temporaryFolder
  const stage = yield* makeStage()
  const { image, manager, registry, remote } = stage
  const ssh = yield* openSsh(dir, remote.node)
  const original =
    options.seed === undefined
      ? undefined
      : yield* prepareOriginal(resolve(options.seed), { dir, registry, socket: manager.socket })
  // Nothing of the caller's environment has a part in it.
  const env = {
    PATH: `${ssh.bin}:${searchPath}`,
    HOME: dir,
    LC_ALL: "C.UTF-8",
    DOCKER_HOST: manager.dockerHost,
    TASK_EXEC_IMAGE: image
  }
  const { megabytes, runs } = options
  const bench: Bench = { stage, ssh, original, options: { runs, env, dir }, megabytes }
  const machine = yield* describeMachine(manager.socket, load)
  const comparisons = yield* Effect.forEach(options.measures, (name) => measures[name](bench))
  const results: Results = {
    date: new Date(yield* Clock.currentTimeMillis).toISOString(),
    commit: yield* commitOfNow,
    machine,
    runs,
    comparisons: comparisons.flat()
  }
  return results
}, Effect.scoped)

const writePages = (results: Results) =>
  Effect.forEach(pagesOf(results), ([file, text]) => writeInProject(file, text), { discard: true })

/** Prints the figures, and keeps them where they are of all that there is. */
const report = Effect.fnUntraced(function* ({ engine, json, measures: chosen }: Options, results: Results) {
  yield* Console.log(`\n${textTable(results)}`)
  if (json !== undefined) yield* Effect.promise(() => writeFile(resolve(json), printResults(results)))
  if (engine !== undefined || chosen.length < measureNames.length) return
  yield* writeInProject(resultsFile, printResults(results))
  yield* writePages(results)
  yield* Console.log(`\nEvery sample is in ${resultsFile}.`)
})

const bench = Effect.gen(function* () {
  const options = yield* parseOptions(process.argv.slice(2))
  if (options.help) {
    yield* Console.log(usage)
    return 0
  }
  if (options.pages) {
    yield* writePages(keptResults())
    return 0
  }
  const load = yield* loadNow
  yield* checkBuilt
  yield* checkMachine()
  yield* installTools(tools)
  const engine = options.engine === undefined ? {} : yield* engineOptions(options.engine)
  yield* Console.error("bringing up the swarm")
  const results = yield* Effect.provide(measureAll(options, load), SwarmCluster.layer({ nodes: 3, ...engine }))
  yield* report(options, results)
  return 0
}).pipe(
  Effect.onInterrupt(() => Console.error("interrupted: the swarm was taken down")),
  Effect.catch((error) => Effect.as(Console.error(`bench: ${error.message}`), error instanceof WrongUsage ? 2 : 1)),
  Effect.provideService(References.MinimumLogLevel, "Warn")
)

runMain(bench)
