/** Runs many short commands, and samples what the swarm uses meanwhile. */
import { readdir, stat } from "node:fs/promises"
import { join } from "node:path"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { Sample, SoakKind } from "../../bench/Soak.ts"
import { type Dice, makeDice } from "../chaos/Dice.ts"
import { get } from "../cluster/EngineApi.ts"
import { leftovers } from "../cluster/Leftovers.ts"
import type { SwarmClusterShape } from "../cluster/SwarmCluster.ts"
import { type Argv, type LoadStage, pick, program } from "./LoadStage.ts"
import { memoryOf, watchMemory } from "./Memory.ts"
import { runTunnel } from "./Tunnels.ts"

/** Bytes of all files below a folder. A file that is deleted meanwhile counts as 0. */
const sizeOf = async (dir: string): Promise<number> => {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true })
  const sizes = await Promise.all(
    entries
      .filter((entry) => entry.isFile())
      .map(({ name, parentPath }) =>
        stat(join(parentPath, name)).then(
          ({ size }) => size,
          () => 0
        )
      )
  )
  return sizes.reduce((sum, size) => sum + size, 0)
}

const Things = Schema.Array(Schema.Unknown)

/** What the swarm itself uses: its objects, its engines' memory, and its store. */
const usage = Effect.fnUntraced(function* ({ dir, manager, nodes }: SwarmClusterShape) {
  const count = (socket: string, path: string) => Effect.map(get(socket, path, Things), ({ length }) => length)
  const kinds = ["networks", "secrets", "configs", "services", "tasks"]
  const objects = yield* Effect.forEach(kinds, (kind) => count(manager.socket, `/${kind}`))
  const containers = yield* Effect.forEach(nodes, ({ socket }) => count(socket, "/containers/json?all=true"))
  const engines = yield* Effect.forEach(nodes, ({ enginePids, name }) =>
    Effect.map(enginePids, (pids) => [name, pids.reduce((sum, pid) => sum + (memoryOf(pid, "VmRSS") ?? 0), 0)] as const)
  )
  return {
    engines: Object.fromEntries(engines),
    objects: {
      ...Object.fromEntries(kinds.map((kind, at) => [kind, objects[at] ?? 0])),
      containers: containers.reduce((sum, one) => sum + one, 0)
    },
    raft: yield* Effect.promise(() => sizeOf(join(dir, manager.name, "docker", "swarm", "raft")))
  }
})

/** Options of the soak. */
export interface SoakOptions {
  readonly runs: number
  readonly atOnce: number
  readonly seed: number
  /** Milliseconds after which no new command starts. */
  readonly atMost: number
}

/** The results of the commands, and the samples. */
export interface Soaked {
  readonly kinds: Readonly<Record<SoakKind, number>>
  readonly failures: ReadonlyArray<string>
  readonly samples: ReadonlyArray<Sample>
}

/** Of eight commands, two are local, three have a helper, two an agent, and one a tunnel. */
export const kindOf = (dice: Dice): SoakKind =>
  dice.pick(["local", "local", "helper", "helper", "helper", "agent", "agent", "tunnel"])

/** Runs a command. Returns why it failed; empty if it succeeded. */
const soakOne = Effect.fnUntraced(function* (stage: LoadStage, kind: SoakKind, dice: Dice) {
  const target = pick(kind === "local" ? stage.local : stage.remote, dice.next)
  if (kind === "tunnel") return (yield* runTunnel(stage, target)).failure
  const way: ReadonlyArray<string> = kind === "local" ? [] : ["--via", kind]
  const caller = yield* stage.start(["task-exec", ...way, target, "echo", "hi"])
  const { code, signal } = yield* caller.ended
  const isRight = code === 0 && caller.stdout().toString() === "hi\n"
  return isRight ? "" : `${target} ${way.join(" ")}: ${code ?? signal}: ${caller.stderr().trim()}`
}, Effect.scoped)

/** A verb that prepares the swarm for the soak, or ends it, failed. */
class VerbFailed extends Schema.TaggedError<VerbFailed>()("VerbFailed", {
  command: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    return `${this.command}: ${this.detail}`
  }
}

const perform = Effect.fnUntraced(function* (stage: LoadStage, ...argv: Argv) {
  const caller = yield* stage.start(argv)
  const { code, signal } = yield* caller.ended
  if (code !== 0)
    yield* new VerbFailed({ command: argv.join(" "), detail: `${code ?? signal}: ${caller.stderr().trim()}` })
}, Effect.scoped)

/** Agents on all nodes until the scope closes. */
const agents = (stage: LoadStage) =>
  Effect.acquireRelease(perform(stage, "task-exec", "agent", "up"), () =>
    Effect.orDie(perform(stage, "task-exec", "agent", "down"))
  )

/** The time between two samples. */
const samplePeriod = "30 seconds"

/** Deploys agents and runs the commands. Samples before the first command, regularly, and after the last command. */
export const soak = Effect.fnUntraced(function* (stage: LoadStage, { atMost, atOnce, runs, seed }: SoakOptions) {
  const { cluster } = stage
  yield* agents(stage)
  const memory = yield* watchMemory(cluster, program)
  const began = yield* Clock.currentTimeMillis
  const kinds: Record<SoakKind, number> = { local: 0, helper: 0, agent: 0, tunnel: 0 }
  const failures: Array<string> = []
  const samples: Array<Sample> = []
  const takeSample = Effect.gen(function* () {
    const seconds = ((yield* Clock.currentTimeMillis) - began) / 1000
    const done = Object.values(kinds).reduce((sum, one) => sum + one, 0)
    const used = yield* usage(cluster)
    samples.push({ seconds, runs: done, ...used, agents: yield* memory.agents, ...(yield* memory.takePeaks) })
  })
  const commands = Effect.forEach(
    Array.from({ length: runs }, (_, at) => at),
    Effect.fnUntraced(function* (at) {
      if ((yield* Clock.currentTimeMillis) >= began + atMost) return
      const dice = makeDice(`${seed}/${at}`)
      const kind = kindOf(dice)
      const failure = yield* soakOne(stage, kind, dice)
      if (failure !== "") failures.push(failure)
      kinds[kind]++
    }),
    { concurrency: atOnce, discard: true }
  )
  yield* takeSample
  yield* Effect.raceFirst(commands, Effect.forever(Effect.delay(takeSample, samplePeriod)))
  // Engines remove the containers of the last commands some time later.
  yield* leftovers(cluster)
  yield* takeSample
  const soaked: Soaked = { kinds, failures, samples }
  return soaked
}, Effect.scoped)
