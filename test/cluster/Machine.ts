/**
 * A node's machine: a process tree in its own network, mount, UTS, IPC and process namespaces.
 *
 * It lives as long as its first process. Killing this process ends everything inside (engine, shims, containers), and the kernel removes
 * the mounts and links.
 */

import type { ChildProcess } from "node:child_process"
import { existsSync } from "node:fs"
import { mkdir, readFile } from "node:fs/promises"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { type CommandFailed, run, runDetached, systemPath } from "./Command.ts"
import { poll } from "./Poll.ts"
import { childrenOf } from "./Processes.ts"

/** The machine did not start. */
export class MachineNotStarted extends Schema.TaggedError<MachineNotStarted>()("MachineNotStarted", {
  node: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    return `the namespaces of ${this.node} could not be set up: ${this.detail.trim() || "no reason given"}`
  }
}

/** Environment variable of everything that is started for a cluster. Its value is the cluster's folder. */
export const marker = "TASK_EXEC_SWARM"

/** Environment of the processes that are started for a cluster: the marker, and nothing from the caller. */
export const markedEnv = (clusterDir: string, firstOnPath?: string): Record<string, string> => ({
  PATH: firstOnPath === undefined ? systemPath : `${firstOnPath}:${systemPath}`,
  HOME: "/root",
  LC_ALL: "C.UTF-8",
  [marker]: clusterDir
})

/** The namespaces of a machine. */
export const namespaces = ["--net", "--mount", "--uts", "--ipc", "--pid"] as const

/** Starts the machine `node` of the cluster in `clusterDir`. Returns the ID of its first process, outside of the machine. */
export const startMachine = Effect.fn("Machine.start")(function* (clusterDir: string, node: string) {
  const dir = join(clusterDir, node)
  const log = join(dir, "machine.log")
  yield* Effect.promise(() =>
    Promise.all(["run", "etc", "etc-work", "cgroup"].map((name) => mkdir(join(dir, name), { recursive: true })))
  )
  const unshare = yield* runDetached(
    "unshare",
    [...namespaces, "--fork", "--mount-proc", "--kill-child", "sh", join(import.meta.dirname, "machine.sh"), dir, node],
    { log, env: markedEnv(clusterDir) }
  )
  const first = Effect.map(childrenOf(unshare), ([pid]) =>
    existsSync(join(dir, "ready")) && pid !== undefined ? Option.some(pid) : Option.none()
  )
  const failure = Effect.promise(() => readFile(log, "utf8")).pipe(
    Effect.flatMap((detail) => Effect.fail(new MachineNotStarted({ node, detail })))
  )
  return yield* poll(first, { every: 10, atMost: 120_000, orElse: failure })
})

/** The words before a command that runs inside a machine. The command is killed when its parent ends. */
export const nsenterArgs = (machinePid: number): ReadonlyArray<string> => [
  "nsenter",
  `--target=${machinePid}`,
  ...namespaces,
  "--",
  "setpriv",
  "--pdeathsig",
  "KILL",
  "--"
]

/** Runs a command inside a machine. Returns its stdout. It is killed with the calling fiber. */
export const runInside = (
  machinePid: number,
  argv: ReadonlyArray<string>,
  options: { readonly timeout?: number; readonly env?: Readonly<Record<string, string>> } = {}
): Effect.Effect<string, CommandFailed> => {
  const [program = "", ...args] = [...nsenterArgs(machinePid), ...argv]
  return run(program, args, options)
}

/** A started process. */
export interface Started extends Pick<ChildProcess, "pid"> {
  readonly kill: (signal: NodeJS.Signals) => unknown
}

/** Sends a signal to the program behind {@link nsenterArgs}: the started process is its parent, and ends with it. */
export const signalInside = (started: Started, signal: NodeJS.Signals): void => {
  const [inner] = started.pid === undefined ? [] : Effect.runSync(childrenOf(started.pid))
  if (inner === undefined) started.kill(signal)
  else {
    process.kill(inner, signal)
    // nsenter stops when its child stops, and would not notice the child's end.
    if (signal === "SIGKILL") started.kill("SIGCONT")
  }
}
