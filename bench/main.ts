/**
 * `npm run bench`: task-exec side by side with other ways to do the same, on a real swarm on this machine. Times depend on
 * the machine and on what else it does: nothing is asserted of them.
 */

import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as References from "effect/References"
import { runMain } from "../adapters/RunMain.ts"
import { checkMachine } from "../test/cluster/Install.ts"
import { newerEngine } from "../test/cluster/NewerEngine.ts"
import { searchPath } from "../test/cluster/Packages.ts"
import { openSsh } from "../test/cluster/Ssh.ts"
import { SwarmCluster } from "../test/cluster/SwarmCluster.ts"
import { installTools } from "../test/cluster/Tools.ts"
import { describeMachine, loadNow } from "./Machine.ts"
import { type Options, parseOptions, usage, WrongUsage } from "./Options.ts"
import { resultsFile, table, writeResults } from "./Report.ts"
import { makeStage } from "./Stage.ts"
import { checkBuilt, inputSuite, interactiveSuite, localSuite, outputSuite, remoteSuite } from "./Suites.ts"

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

/** Measures everything on the swarm. */
const measureAll = Effect.fnUntraced(function* ({ only, runs }: Options, load: number) {
  const dir = yield* temporaryFolder
  const stage = yield* makeStage()
  const { image, local, manager, remote } = stage
  const ssh = yield* openSsh(dir, remote.node)
  const machine = yield* describeMachine(manager.socket, load)
  // Nothing of the caller's environment has a part in it.
  const env = {
    PATH: `${ssh.bin}:${searchPath}`,
    HOME: dir,
    LC_ALL: "C.UTF-8",
    DOCKER_HOST: manager.dockerHost,
    TASK_EXEC_IMAGE: image
  }
  const options = { runs, env, dir }
  const fewer = { ...options, runs: Math.ceil(runs / 2) }
  const once = { ...options, runs: 1 }
  const tunnel = ["--via", "helper:tunnel"]
  const measurements = {
    remote: Effect.map(remoteSuite(stage, ssh, options), (one) => [one]),
    local: Effect.map(localSuite(stage, options), (one) => [one]),
    interactive: interactiveSuite(stage, ssh, fewer),
    traffic: Effect.all([
      outputSuite("the same engine", local, 20, fewer),
      outputSuite("the same engine", local, 100, fewer),
      outputSuite("another node", remote, 20, fewer),
      outputSuite("another node", remote, 100, fewer),
      outputSuite("another node", remote, 100, fewer, tunnel),
      inputSuite("the same engine", local, 100, fewer),
      inputSuite("another node", remote, 100, fewer)
    ]),
    gigabyte: Effect.all([
      outputSuite("another node", remote, 1000, once, tunnel),
      inputSuite("another node", remote, 1000, once)
    ])
  }
  const comparisons = (yield* Effect.forEach(only, (name) => measurements[name])).flat()
  yield* writeResults(machine, runs, comparisons)
  yield* Console.log(`\n${table(machine, runs, comparisons)}\n\nEvery run is in ${resultsFile}.`)
}, Effect.scoped)

const bench = Effect.gen(function* () {
  const options = yield* parseOptions(process.argv.slice(2))
  if (options.help) {
    yield* Console.log(usage)
    return 0
  }
  const load = yield* loadNow
  yield* checkBuilt
  yield* checkMachine()
  yield* installTools(tools)
  const engine = options.engine === undefined ? {} : { enginePath: yield* newerEngine(options.engine) }
  yield* Console.error("bringing up the swarm")
  yield* Effect.provide(measureAll(options, load), SwarmCluster.layer({ nodes: 3, ...engine }))
  return 0
}).pipe(
  Effect.onInterrupt(() => Console.error("interrupted: the swarm was taken down")),
  Effect.catch((error) => Effect.as(Console.error(`bench: ${error.message}`), error instanceof WrongUsage ? 2 : 1)),
  Effect.provideService(References.MinimumLogLevel, "Warn")
)

runMain(bench)
