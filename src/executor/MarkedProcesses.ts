/**
 * Finds and signals the processes of one run by the mark in their environment. Works on any `/proc` that shows the
 * target's processes: the host's own, or that of a container with the host's PID space.
 *
 * The mark is inherited: it reaches children that left the session (`setsid`) and orphans of a double fork. Nothing
 * without the mark is ever signalled. A process that cleared its environment has lost the mark and is not found.
 */

import { readdirSync, readFileSync } from "node:fs"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { type EndRun, runVariable, type Signal } from "./ExecSpec.ts"
import { type Ending, unconfirmed } from "./ExecutorErrors.ts"

/** How long to go on with KILL before saying that something is still alive, in milliseconds. */
const killPatience = 3000
const interval = 40

const errorCode = (error: unknown): string =>
  typeof error === "object" && error !== null && "code" in error ? String(error.code) : String(error)

/** Processes that are to be ended. */
interface Target {
  /** The run's variable, between two NULs. */
  readonly mark: string
  /** Full ID of the container that they are in. */
  readonly container: string
  /** Only processes in that container itself are meant. */
  readonly inContainer: boolean
  readonly grace: number
  readonly signal: Signal
}

/** What is left of a target. */
interface Found {
  /** Live processes with the mark, as this `/proc` numbers them. */
  readonly pids: Array<number>
  /** How many of the container's processes could not be looked at. */
  hidden: number
}

/** One look for all of them: there may be many, and each process is to be read once. */
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

/** It ended between the listing and the reading. Kernel threads and zombies have no environment either. */
const isGone = (error: unknown): boolean => ["ENOENT", "ESRCH"].includes(errorCode(error))

/** Everybody may read in which cgroup a process is, and the engine names the cgroup after the container. */
const belongsTo = (container: string, folder: string): boolean => {
  try {
    return readFileSync(`${folder}/cgroup`, "utf8").includes(container)
  } catch (error) {
    return !isGone(error)
  }
}

/** Whether the innermost container of a cgroup, as `/proc/PID/cgroup` has it, is this one: an engine may run inside a container. */
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
 * Ends every process of these runs: the signal, the grace period, KILL; then looks again. Gives what became of each, in their
 * order, when all are done. Never fails: what can't be done is in the {@link Ending}.
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

/** Signals what was found of one; gives what became of it, once that is known. */
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
