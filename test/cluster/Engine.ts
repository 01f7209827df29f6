/** The Docker engine of a machine: starts it, waits for it, kills it. */

import { existsSync } from "node:fs"
import { readFile, rm, writeFile } from "node:fs/promises"
import { basename, join } from "node:path"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { answers } from "./EngineApi.ts"
import { markedEnv, runInside } from "./Machine.ts"
import { pollUntil } from "./Poll.ts"
import { inProcessNamespace, signal } from "./Processes.ts"

/** The engine does not respond on its socket, or does not end. */
export class EngineNotReady extends Schema.TaggedError<EngineNotReady>()("EngineNotReady", {
  node: Schema.String,
  problem: Schema.String,
  /** The end of the engine's log. */
  log: Schema.String
}) {
  override get message(): string {
    return `the engine of ${this.node} ${this.problem}; its log ends with:\n${this.log}`
  }
}

/** The settings of an engine. */
export interface EngineSpec {
  readonly clusterDir: string
  readonly node: string
  /** Process ID of the machine's first process. */
  readonly machinePid: number
  /** A registry without TLS. */
  readonly registry: string
  /** Folder of another engine version. It is first on the PATH. */
  readonly enginePath: string | null
  /** More arguments for dockerd. */
  readonly dockerdArgs: ReadonlyArray<string>
}

/** The engine's socket as the root namespace sees it. */
export const socketOf = (clusterDir: string, node: string): string => join(clusterDir, node, "run", "docker.sock")

/** The folder of a cluster's containers in every cgroup hierarchy. */
export const cgroupOf = (clusterDir: string): string => join("task-exec", basename(clusterDir))

/** The engine's log. A restart appends to it. */
export const logFileOf = (clusterDir: string, node: string): string => join(clusterDir, node, "dockerd.log")

/** Exists while the engine is down on purpose. */
const endedFile = (clusterDir: string, node: string): string => join(clusterDir, node, "ended-on-purpose")

/** Whether the engine is down on purpose. */
export const isMeantToBeDown = (clusterDir: string, node: string): boolean => existsSync(endedFile(clusterDir, node))

const logTail = (clusterDir: string, node: string) =>
  Effect.promise(() => readFile(logFileOf(clusterDir, node), "utf8").catch(() => "(no log)")).pipe(
    Effect.map((log) => log.trimEnd().split("\n").slice(-8).join("\n"))
  )

const notReady = (clusterDir: string, node: string, problem: string) =>
  Effect.flatMap(logTail(clusterDir, node), (log) => Effect.fail(new EngineNotReady({ node, problem, log })))

/** How long an engine may take to start or to end, in milliseconds. Several may do so at once on a busy machine. */
const engineTimeout = 120_000

/** Starts the engine in the background. */
const launch = Effect.fnUntraced(function* ({ clusterDir, node, machinePid, ...spec }: EngineSpec) {
  const dir = join(clusterDir, node)
  const dockerd = [
    "dockerd",
    "--host=unix:///run/docker.sock",
    `--data-root=${join(dir, "docker")}`,
    ...(spec.dockerdArgs.some((arg) => arg.startsWith("--storage-driver=")) ? [] : ["--storage-driver=overlay2"]),
    "--exec-opt=native.cgroupdriver=cgroupfs",
    `--cgroup-parent=/${cgroupOf(clusterDir)}/${node}`,
    "--userland-proxy=false",
    // Any registry on the host: tests start registries of their own.
    `--insecure-registry=${spec.registry.replace(/:\d+$/, "")}/32`,
    ...spec.dockerdArgs
  ]
  // The shell ends at once, so that the engine becomes a child of the machine's first process.
  const background = 'log=$1; shift; setsid "$@" </dev/null >>"$log" 2>&1 &'
  yield* runInside(machinePid, ["sh", "-c", background, "sh", logFileOf(clusterDir, node), ...dockerd], {
    env: markedEnv(clusterDir, spec.enginePath ?? undefined)
  })
})

/** The processes of the engine on a machine, by their IDs outside of it. */
export const enginePids = (machinePid: number): Effect.Effect<ReadonlyArray<number>> =>
  inProcessNamespace(machinePid, "dockerd")

/** Starts the engine and waits until it responds. Does nothing if it runs. Continues it after SIGSTOP. */
export const startEngine = Effect.fn("Engine.start")(function* (spec: EngineSpec) {
  const { clusterDir, node, machinePid } = spec
  const running = yield* enginePids(machinePid)
  if (running.length === 0) yield* launch(spec)
  for (const pid of running) yield* signal(pid, "SIGCONT")
  yield* pollUntil(answers(socketOf(clusterDir, node)), {
    atMost: engineTimeout,
    orElse: notReady(clusterDir, node, `does not answer after ${engineTimeout / 1000} s`)
  })
  yield* Effect.promise(() => rm(endedFile(clusterDir, node), { force: true }))
})

/** The signals that end an engine. */
const fatalSignals: ReadonlyArray<NodeJS.Signals> = ["SIGKILL", "SIGTERM", "SIGINT"]

/** Sends the engine a signal, and waits for its end if the signal ends it. After KILL, its containers continue. */
export const killEngine = Effect.fn("Engine.kill")(function* (spec: EngineSpec, name: NodeJS.Signals) {
  const { clusterDir, node } = spec
  if (fatalSignals.includes(name)) yield* Effect.promise(() => writeFile(endedFile(clusterDir, node), name))
  for (const pid of yield* enginePids(spec.machinePid)) yield* signal(pid, name)
  if (!fatalSignals.includes(name)) return
  yield* pollUntil(
    Effect.map(enginePids(spec.machinePid), (pids) => pids.length === 0),
    { atMost: engineTimeout, orElse: notReady(clusterDir, node, `runs on ${engineTimeout / 1000} s after ${name}`) }
  )
})
