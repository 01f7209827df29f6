/** The Docker engine of a machine: starting it, waiting for it, killing it. */

import { existsSync } from "node:fs"
import { readFile, rm, writeFile } from "node:fs/promises"
import { basename, join } from "node:path"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { answers } from "./EngineApi.ts"
import { markedEnv, runInside } from "./Machine.ts"
import { pollUntil } from "./Poll.ts"
import { neighbours, signal } from "./Processes.ts"

/** The engine does not answer on its socket, or does not end. */
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

/** What an engine needs to be started. */
export interface EngineSpec {
  readonly clusterDir: string
  readonly node: string
  /** Process ID of the machine's first process. */
  readonly machinePid: number
  /** Registry that is spoken to without TLS. */
  readonly registry: string
  /** Folder that comes first on its PATH: where another engine version lies. */
  readonly enginePath: string | null
  /** More arguments for dockerd. */
  readonly dockerdArgs: ReadonlyArray<string>
}

/** The engine's socket as the root namespace sees it. */
export const socketOf = (clusterDir: string, node: string): string => join(clusterDir, node, "run", "docker.sock")

/** Folder, below every cgroup hierarchy, of a cluster's containers. */
export const cgroupOf = (clusterDir: string): string => join("task-exec", basename(clusterDir))

/** The engine's log, which goes on over restarts. */
export const logFileOf = (clusterDir: string, node: string): string => join(clusterDir, node, "dockerd.log")

/** Exists from the moment when somebody ends the engine on purpose until it is started again. */
const endedFile = (clusterDir: string, node: string): string => join(clusterDir, node, "ended-on-purpose")

/** Whether somebody ended the engine on purpose and has not started it again. */
export const isMeantToBeDown = (clusterDir: string, node: string): boolean => existsSync(endedFile(clusterDir, node))

const logTail = (clusterDir: string, node: string) =>
  Effect.promise(() => readFile(logFileOf(clusterDir, node), "utf8").catch(() => "(no log)")).pipe(
    Effect.map((log) => log.trimEnd().split("\n").slice(-8).join("\n"))
  )

const notReady = (clusterDir: string, node: string, problem: string) =>
  Effect.flatMap(logTail(clusterDir, node), (log) => Effect.fail(new EngineNotReady({ node, problem, log })))

/** How long an engine may take to start or to end, in milliseconds: several may do so at once on a machine that others keep busy. */
const patience = 120_000

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
    // Any registry on the host: tests have some of their own.
    `--insecure-registry=${spec.registry.replace(/:\d+$/, "")}/32`,
    ...spec.dockerdArgs
  ]
  // The shell ends at once, and the engine becomes a child of the machine's first process.
  const background = 'log=$1; shift; setsid "$@" </dev/null >>"$log" 2>&1 &'
  yield* runInside(machinePid, ["sh", "-c", background, "sh", logFileOf(clusterDir, node), ...dockerd], {
    env: markedEnv(clusterDir, spec.enginePath ?? undefined)
  })
})

/** The process of the engine that runs on a machine, if any (outside's process IDs). */
export const enginePids = (machinePid: number): Effect.Effect<ReadonlyArray<number>> =>
  neighbours(machinePid, "dockerd")

/** Starts the engine and waits until it answers. One that runs already is left alone, or continued after SIGSTOP. */
export const startEngine = Effect.fn("Engine.start")(function* (spec: EngineSpec) {
  const { clusterDir, node, machinePid } = spec
  const running = yield* enginePids(machinePid)
  if (running.length === 0) yield* launch(spec)
  for (const pid of running) yield* signal(pid, "SIGCONT")
  yield* pollUntil(answers(socketOf(clusterDir, node)), {
    atMost: patience,
    orElse: notReady(clusterDir, node, `does not answer after ${patience / 1000} s`)
  })
  yield* Effect.promise(() => rm(endedFile(clusterDir, node), { force: true }))
})

/** The signals that end an engine. */
const deadly: ReadonlyArray<NodeJS.Signals> = ["SIGKILL", "SIGTERM", "SIGINT"]

/** Sends the engine a signal, and waits for its end if it is one that ends it. Its containers run on after KILL. */
export const killEngine = Effect.fn("Engine.kill")(function* (spec: EngineSpec, name: NodeJS.Signals) {
  const { clusterDir, node } = spec
  if (deadly.includes(name)) yield* Effect.promise(() => writeFile(endedFile(clusterDir, node), name))
  for (const pid of yield* enginePids(spec.machinePid)) yield* signal(pid, name)
  if (!deadly.includes(name)) return
  yield* pollUntil(
    Effect.map(enginePids(spec.machinePid), (pids) => pids.length === 0),
    { atMost: patience, orElse: notReady(clusterDir, node, `runs on ${patience / 1000} s after ${name}`) }
  )
})
