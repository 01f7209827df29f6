/**
 * Finds and signals the processes of a run by the mark in their environment. Requires a `/proc` with the target's processes: that of the
 * host, or of a container with the host's PID namespace.
 *
 * Processes inherit the mark, including children that left the session (`setsid`) and orphans of a double fork. Processes without the mark
 * are never signaled. A process that clears its environment loses the mark and is not found.
 */

import { readdirSync, readFileSync } from "node:fs"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { type EndRun, runVariable, type Signal } from "./ExecSpec.ts"
import { type Ending, unconfirmed } from "./ExecutorErrors.ts"

/** Milliseconds after KILL at which processes are reported as alive. */
const killPatience = 3000
const interval = 40

const errorCode = (error: unknown): string =>
  typeof error === "object" && error !== null && "code" in error ? String(error.code) : String(error)

/** Processes to kill. */
interface Target {
  /** The run's variable, between two NULs. */
  readonly mark: string
  /** Full ID of their container. */
  readonly container: string
  /** Whether to kill only processes in that container itself. */
  readonly inContainer: boolean
  readonly grace: number
  readonly signal: Signal
}

/** The remaining processes of a target. */
interface Found {
  /** PIDs of live processes with the mark, in this `/proc`. */
  readonly pids: Array<number>
  /** The number of the container's processes that can't be inspected. */
  hidden: number
}

/** Finds the processes of all targets in one pass, which reads each process once. */
const find = (targets: ReadonlyArray<Target>): ReadonlyArray<readonly [Target, Found]> => {
  const all = targets.map((target) => [target, { pids: [], hidden: 0 } as Found] as const)
  for (const name of readdirSync("/proc")) {
    const pid = Number(name)
    if (!Number.isInteger(pid) || pid === process.pid) continue
    try {
      const environment = `\0${readFileSync(`/proc/${name}/environ`, "latin1")}\0`
      for (const [{ container, inContainer, mark }, { pids }] of all) {
        if (!environment.includes(mark)) continue
        if (!inContainer || isDirectlyIn(container, readFileSync(`/proc/${name}/cgroup`, "utf8"))) pids.push(pid)
      }
    } catch (error) {
      if (isGone(error)) continue
      for (const [{ container }, found] of all) {
        if (belongsTo(container, `/proc/${name}`)) found.hidden++
      }
    }
  }
  return all
}

/** Whether the process ended between the listing and the reading. Kernel threads and zombies have no environment, either. */
const isGone = (error: unknown): boolean => ["ENOENT", "ESRCH"].includes(errorCode(error))

/** Whether a process is in the container, by its cgroup: the file is always readable, and its name contains the container's ID. */
const belongsTo = (container: string, folder: string): boolean => {
  try {
    return readFileSync(`${folder}/cgroup`, "utf8").includes(container)
  } catch (error) {
    return !isGone(error)
  }
}

/** Whether this is the innermost container in `/proc/PID/cgroup`: an engine may run inside a container. */
export const isDirectlyIn = (container: string, cgroups: string): boolean =>
  cgroups.split("\n").some((line) => line.match(/[0-9a-f]{64}/g)?.at(-1) === container)

const signalOne = (pid: number, signal: NodeJS.Signals): void => {
  try {
    process.kill(pid, signal)
  } catch (error) {
    if (errorCode(error) !== "ESRCH") throw error
  }
}

/**
 * Kills every process of these runs: the signal, the grace period, KILL. Then checks again. Returns the kill result of each run, in their
 * order. Never fails: errors are in the {@link Ending}.
 */
export const endMarked = (runs: ReadonlyArray<EndRun>): Effect.Effect<ReadonlyArray<Ending>> =>
  endAll(
    runs.map(({ container, grace, inContainer = false, runId, signal }) => ({
      mark: `\0${runVariable}=${runId}\0`,
      container,
      inContainer,
      grace,
      signal
    }))
  )

const endAll = Effect.fnUntraced(function* (targets: ReadonlyArray<Target>) {
  const start = yield* Clock.currentTimeMillis
  const signalled = new Set<number>()
  const endings = new Map<Target, Ending>()
  const open = () => targets.filter((target) => !endings.has(target))

  const step = (elapsed: number) => {
    for (const [target, found] of find(open())) {
      const ending = stepOf(target, found, elapsed, signalled)
      if (ending !== undefined) endings.set(target, ending)
    }
  }
  while (open().length > 0) {
    const elapsed = (yield* Clock.currentTimeMillis) - start
    yield* Effect.try({ try: () => step(elapsed), catch: errorCode }).pipe(
      Effect.catch((code) =>
        Effect.sync(() => {
          for (const target of open()) endings.set(target, cannot(code))
        })
      )
    )
    if (open().length > 0) yield* Effect.sleep(interval)
  }
  return targets.map((target) => endings.get(target) ?? unconfirmed("its processes were not checked"))
})

const cannot = (code: string): Ending => unconfirmed(`cannot signal its processes: ${code}`)

/** Signals the processes of a target. Returns its kill result once it is known. */
const stepOf = (
  { grace, signal }: Target,
  { hidden, pids }: Found,
  elapsed: number,
  signalled: Set<number>
): Ending | undefined => {
  try {
    for (const pid of pids) {
      if (elapsed >= grace) signalOne(pid, "SIGKILL")
      else if (!signalled.has(pid)) signalOne(pid, signal)
      signalled.add(pid)
    }
  } catch (error) {
    return cannot(errorCode(error))
  }
  if (pids.length > 0) return elapsed > grace + killPatience ? { _tag: "Alive", pids } : undefined
  return hidden === 0 ? { _tag: "Killed" } : unconfirmed(`cannot inspect ${hidden} processes of the container`)
}
