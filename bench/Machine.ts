/** What the figures were measured with. */
import * as os from "node:os"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { run } from "../test/cluster/Command.ts"
import { get } from "../test/cluster/EngineApi.ts"

/** What the figures were measured with. */
export interface Machine {
  readonly processor: string
  readonly cores: number
  readonly memoryGB: number
  readonly kernel: string
  /** Processes that wanted to run, on average of the minute before. */
  readonly load: number
  readonly engine: string
  readonly dockerClient: string
  readonly node: string
  readonly hyperfine: string
}

const Version = Schema.Struct({ Version: Schema.String })

const versionIn = (text: string): string => /\d+(?:\.\d+)+/.exec(text)?.[0] ?? text.trim()

/** Processes that wanted to run, on average of the last minute. */
export const loadNow: Effect.Effect<number> = Effect.sync(() => os.loadavg()[0] ?? 0)

/** Describes this machine, and the engine at `socket`; `load` is that of before the swarm came up. */
export const describeMachine = Effect.fn("Machine.describe")(function* (socket: string, load: number) {
  const [{ Version: engine }, docker, hyperfine] = yield* Effect.all([
    get(socket, "/version", Version),
    run("docker", ["--version"]),
    run("hyperfine", ["--version"])
  ])
  const machine: Machine = {
    processor: os.cpus()[0]?.model.trim() ?? "unknown",
    cores: os.availableParallelism(),
    memoryGB: Math.round(os.totalmem() / 1e9),
    kernel: os.release(),
    load,
    engine,
    dockerClient: versionIn(docker),
    node: process.versions.node,
    hyperfine: versionIn(hyperfine)
  }
  return machine
})
