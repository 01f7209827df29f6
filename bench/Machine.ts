/** The machine and the versions that figures depend on. */
import * as os from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { run } from "../test/cluster/Command.ts"
import { get } from "../test/cluster/EngineApi.ts"

/** The machine and the versions that figures depend on. */
export const Machine = Schema.Struct({
  processor: Schema.String,
  cores: Schema.Int,
  memoryGB: Schema.Int,
  kernel: Schema.String,
  /** The load average of the minute before the measure. */
  load: Schema.Finite,
  /** The version of the nodes' engine. */
  engine: Schema.String,
  dockerClient: Schema.String,
  node: Schema.String,
  hyperfine: Schema.String
})

/** The machine and the versions that figures depend on. */
export type Machine = typeof Machine.Type

const Version = Schema.Struct({ Version: Schema.String })

const versionIn = (text: string): string => /\d+(?:\.\d+)+/.exec(text)?.[0] ?? text.trim()

/** The load average of the last minute. */
export const loadNow: Effect.Effect<number> = Effect.sync(() => os.loadavg()[0] ?? 0)

/** Whether other processes load the machine so much that times cannot be trusted. */
export const isBusy = ({ cores, load }: Pick<Machine, "cores" | "load">): boolean => load > cores / 4

/** This machine's processor. */
export const processorOfNow = () => ({
  processor: os.cpus()[0]?.model.trim() ?? "unknown",
  cores: os.availableParallelism()
})

/** Describes this machine and the engine at `socket`. */
export const describeHost = Effect.fn("Machine.describeHost")(function* (socket: string) {
  const { Version: engine } = yield* get(socket, "/version", Version)
  return {
    ...processorOfNow(),
    memoryGB: Math.round(os.totalmem() / 1e9),
    kernel: os.release(),
    engine,
    node: process.versions.node
  }
})

/** Describes this machine, the engine at `socket` and the programs. `load` is the load average before the swarm was started. */
export const describeMachine = Effect.fn("Machine.describe")(function* (socket: string, load: number) {
  const [host, docker, hyperfine] = yield* Effect.all([
    describeHost(socket),
    run("docker", ["--version"]),
    run("hyperfine", ["--version"])
  ])
  const machine: Machine = { ...host, load, dockerClient: versionIn(docker), hyperfine: versionIn(hyperfine) }
  return machine
})

/** The kept figures and the pages with them: a run replaces them, and they have no influence on the next run. */
const generated = ["bench/results", "docs"]

/** The commit that is checked out, with a `+` if files other than the generated ones differ from it. Null outside of a repository. */
export const commitOfNow = Effect.gen(function* () {
  const git = (...args: ReadonlyArray<string>) => run("git", ["-C", join(import.meta.dirname, ".."), ...args])
  const commit = yield* git("rev-parse", "HEAD")
  const except = generated.map((path) => `:(top,exclude)${path}`)
  const changes = yield* git("status", "--porcelain", "--untracked-files=no", "--", ":/", ...except)
  return `${commit.trim()}${changes.trim() === "" ? "" : "+"}`
}).pipe(Effect.option, Effect.map(Option.getOrNull))
