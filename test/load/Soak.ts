/** Runs many short commands, and compares what the swarm uses before and after them. */
import { readdir, readFile, stat } from "node:fs/promises"
import { join } from "node:path"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { makeDice } from "../chaos/Dice.ts"
import { get } from "../cluster/EngineApi.ts"
import type { SwarmClusterShape } from "../cluster/SwarmCluster.ts"
import { type LoadStage, pick } from "./LoadStage.ts"
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

/** Resident memory of a process in KiB. */
const residentOf = async (pid: number): Promise<number> =>
  Number(/^VmRSS:\s*(\d+) kB/m.exec(await readFile(`/proc/${pid}/status`, "utf8"))?.[1] ?? Number.NaN)

const Things = Schema.Array(Schema.Unknown)

/** Numbers of objects, and used memory and disk space, by name. */
export type Footprint = Readonly<Record<string, number>>

/** The current footprint of the swarm. */
export const footprint = Effect.fnUntraced(function* ({ dir, manager, nodes }: SwarmClusterShape) {
  const count = (socket: string, path: string) => Effect.map(get(socket, path, Things), ({ length }) => length)
  const kinds = ["networks", "secrets", "configs", "services", "tasks"]
  const objects = yield* Effect.forEach(kinds, (kind) => count(manager.socket, `/${kind}`))
  const containers = yield* Effect.forEach(nodes, ({ socket }) => count(socket, "/containers/json?all=true"))
  const engines = yield* Effect.forEach(nodes, ({ enginePids }) =>
    Effect.flatMap(enginePids, (pids) => Effect.promise(() => Promise.all(pids.map(residentOf))))
  )
  const raft = yield* Effect.promise(() => sizeOf(join(dir, manager.name, "docker", "swarm", "raft")))
  const found: Footprint = {
    ...Object.fromEntries(kinds.map((kind, at) => [kind, objects[at] ?? 0])),
    containers: containers.reduce((sum, one) => sum + one, 0),
    "raft log, KiB": Math.round(raft / 1024),
    ...Object.fromEntries(
      nodes.map(({ name }, at) => [
        `memory of ${name}'s engine, MiB`,
        Math.round((engines[at] ?? []).reduce((sum, one) => sum + one, 0) / 1024)
      ])
    )
  }
  return found
})

/** Options of the soak. */
export interface SoakOptions {
  readonly runs: number
  readonly atOnce: number
  readonly seed: number
  /** Milliseconds after which no new command starts. */
  readonly atMost: number
}

/** The results of the commands. */
export interface Soaked {
  readonly runs: number
  readonly failures: ReadonlyArray<string>
}

/** Of eight commands, four are remote, two are local, and two have a tunnel. */
const soakOne = Effect.fnUntraced(function* (stage: LoadStage, seed: string) {
  const dice = makeDice(seed)
  const kind = dice.whole(1, 8)
  if (kind > 6) return (yield* runTunnel(stage, pick(stage.remote, dice.next))).failure
  const target = pick(kind > 4 ? stage.local : stage.remote, dice.next)
  const caller = yield* stage.start(["task-exec", target, "echo", "hi"])
  const { code, signal } = yield* caller.ended
  const isRight = code === 0 && caller.stdout().toString() === "hi\n"
  return isRight ? "" : `${target}: ${code ?? signal}: ${caller.stderr().trim()}`
}, Effect.scoped)

/** Runs the commands. */
export const soak = Effect.fnUntraced(function* (stage: LoadStage, { atMost, atOnce, runs, seed }: SoakOptions) {
  const deadline = (yield* Clock.currentTimeMillis) + atMost
  const failures: Array<string> = []
  let done = 0
  yield* Effect.forEach(
    Array.from({ length: runs }, (_, at) => at),
    Effect.fnUntraced(function* (at) {
      if ((yield* Clock.currentTimeMillis) >= deadline) return
      const failure = yield* soakOne(stage, `${seed}/${at}`)
      if (failure !== "") failures.push(failure)
      done++
    }),
    { concurrency: atOnce, discard: true }
  )
  const soaked: Soaked = { runs: done, failures }
  return soaked
})

/** `networks: 5 before, 5 after`. */
export const describeFootprints = (before: Footprint, after: Footprint): ReadonlyArray<string> =>
  Object.entries(before).map(([what, count]) => `${what}: ${count} before, ${after[what] ?? 0} after`)
