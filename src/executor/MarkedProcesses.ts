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
import { type KillResult, unconfirmed } from "./KillResult.ts"

/** Milliseconds after KILL at which processes are reported as alive. */
const killTimeout = 3000
/** Milliseconds in which the first process of a command must appear that may be about to start. */
const startTimeout = 10_000
/** Milliseconds between two passes over the processes. */
const interval = 40
/**
 * The most listings of the processes per pass. Two are enough, unless processes start and end all the time. The node may be busy with other
 * processes: a chain of marked ones, each of which starts the next and ends, is unlikely to escape that many listings.
 */
const listings = 20

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
  /** Whether the first process may be about to start. */
  readonly isStarting: boolean
  readonly grace: number
  readonly signal: Signal
  /** PIDs that got a signal. */
  readonly signalled: Set<number>
}

/** What one pass finds of a target. */
interface Found {
  /** PIDs of live processes with the mark, in this `/proc`. */
  readonly pids: Array<number>
  /** The number of the container's processes that can't be inspected. */
  hidden: number
  /**
   * Whether a process of the container is in the middle of an `execve`, which leaves it without an environment for a moment: it may have the
   * mark.
   */
  isChanging: boolean
  /** The error of a signal. */
  error?: string
}

/**
 * Reads the processes, for all targets, and signals those with the mark as soon as they are found. Lists them again until every process of
 * one listing was read: a process that has ended meanwhile may have started another one. `unmarked`: the names of processes that will have
 * no mark, kept from pass to pass.
 */
const pass = (
  targets: ReadonlyArray<Target>,
  elapsed: number,
  unmarked: Set<string>
): ReadonlyArray<readonly [Target, Found]> => {
  const found = targets.map((target) => [target, { pids: [], hidden: 0, isChanging: false } as Found] as const)
  const read = new Set<string>()
  for (let listing = 0; listing < listings; listing++) {
    let missed = false
    for (const [, of] of found) of.isChanging = false
    for (const name of readdirSync("/proc")) {
      if (!/^\d+$/.test(name) || read.has(name) || unmarked.has(name)) continue
      const result = readOne(name, found, elapsed)
      if (result === "Read") read.add(name)
      else missed = true
      if (result === "NoMemory") unmarked.add(name)
    }
    if (!missed) break
  }
  return found
}

/** Reads a process and signals it if it has a mark. `Missed`: it ended meanwhile, or has no environment yet. */
const readOne = (
  name: string,
  found: ReadonlyArray<readonly [Target, Found]>,
  elapsed: number
): "Read" | "NoMemory" | "Missed" => {
  const folder = `/proc/${name}`
  const withoutEnvironment = () => {
    const reason = environmentOf(folder)
    if (reason === "Missed") for (const [{ container }, of] of found) of.isChanging ||= belongsTo(container, folder)
    return reason
  }
  try {
    const environment = readFileSync(`${folder}/environ`, "latin1")
    if (environment === "") return withoutEnvironment()
    for (const [target, of] of found) {
      if (!`\0${environment}\0`.includes(target.mark)) continue
      if (target.inContainer && !isDirectlyIn(target.container, readFileSync(`${folder}/cgroup`, "utf8"))) continue
      of.pids.push(Number(name))
      signalTarget(target, of, Number(name), elapsed)
    }
  } catch (error) {
    if (isGone(error)) return withoutEnvironment()
    for (const [{ container }, of] of found) {
      if (belongsTo(container, folder)) of.hidden++
    }
  }
  return "Read"
}

/** Finds out why a process has no environment. Linux 6.18 fails with ESRCH for those without memory, older kernels return nothing. */
const environmentOf = (folder: string) => {
  try {
    return environmentFromStat(readFileSync(`${folder}/stat`, "latin1"))
  } catch {
    return "Missed"
  }
}

/**
 * Finds out from `/proc/PID/stat` (proc(5)) why a process had no environment when it was read. Kernel threads and zombies have no memory (field
 * 23). If the environment is empty, it ends where it begins (fields 50 and 51). Otherwise the process was in the middle of an `execve`.
 */
export const environmentFromStat = (stat: string): "Read" | "NoMemory" | "Missed" => {
  // The second field is the program's name in parentheses, which may contain anything.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
  const [memory, start, end] = [fields[23 - 3], fields[50 - 3], fields[51 - 3]]
  if (memory === "0") return "NoMemory"
  return start !== "0" && start === end ? "Read" : "Missed"
}

/** Whether the process ended between the listing and the reading, or has no memory. */
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

const signalTarget = ({ grace, signal, signalled }: Target, found: Found, pid: number, elapsed: number): void => {
  const isFirst = !signalled.has(pid)
  signalled.add(pid)
  if (elapsed < grace && !isFirst) return
  try {
    process.kill(pid, elapsed < grace ? signal : "SIGKILL")
  } catch (error) {
    if (errorCode(error) !== "ESRCH") found.error ??= errorCode(error)
  }
}

/**
 * Kills every process of these runs: the signal, the grace period, KILL. Then checks again. Returns the kill result of each run, in their
 * order. Never fails: errors are in the {@link KillResult}.
 */
export const endMarked = (runs: ReadonlyArray<EndRun>): Effect.Effect<ReadonlyArray<KillResult>> =>
  endAll(
    runs.map(({ container, grace, inContainer = false, mayStart = false, runId, signal }) => ({
      mark: `\0${runVariable}=${runId}\0`,
      container,
      inContainer,
      isStarting: mayStart,
      grace,
      signal,
      signalled: new Set()
    }))
  )

const endAll = Effect.fnUntraced(function* (targets: ReadonlyArray<Target>) {
  const start = yield* Clock.currentTimeMillis
  const killResults = new Map<Target, KillResult>()
  const unmarked = new Set([String(process.pid)])
  const open = () => targets.filter((target) => !killResults.has(target))

  const step = (elapsed: number) => {
    for (const [target, found] of pass(open(), elapsed, unmarked)) {
      const killResult = killResultOf(target, found, elapsed)
      if (killResult !== undefined) killResults.set(target, killResult)
    }
  }
  while (open().length > 0) {
    const elapsed = (yield* Clock.currentTimeMillis) - start
    yield* Effect.try({ try: () => step(elapsed), catch: errorCode }).pipe(
      Effect.catch((code) =>
        Effect.sync(() => {
          for (const target of open()) killResults.set(target, cannot(code))
        })
      )
    )
    if (open().length > 0) yield* Effect.sleep(interval)
  }
  return targets.map((target) => killResults.get(target) ?? unconfirmed("its processes were not checked"))
})

const cannot = (code: string): KillResult => unconfirmed(`cannot signal its processes: ${code}`)

/** Returns the kill result of a target once it is known. */
const killResultOf = (target: Target, found: Found, elapsed: number): KillResult | undefined => {
  const { error, hidden, isChanging, pids } = found
  if (error !== undefined) return cannot(error)
  if (pids.length > 0) return elapsed > target.grace + killTimeout ? { _tag: "Alive", pids } : undefined
  if (target.isStarting && target.signalled.size === 0 && elapsed < startTimeout) return undefined
  if (isChanging && elapsed <= target.grace + killTimeout) return undefined
  const uninspected = hidden + (isChanging ? 1 : 0)
  return uninspected === 0
    ? { _tag: "Killed" }
    : unconfirmed(`cannot inspect ${uninspected} processes of the container`)
}
