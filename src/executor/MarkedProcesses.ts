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
import * as Schema from "effect/Schema"
import { type EndRun, runVariable, type Signal } from "./ExecSpec.ts"
import { type Ending, unconfirmed } from "./ExecutorErrors.ts"

/** How long to go on with KILL before saying that something is still alive, in milliseconds. */
const killPatience = 3000
const interval = 40

const errorCode = (error: unknown): string =>
  typeof error === "object" && error !== null && "code" in error ? String(error.code) : String(error)

/** What is left of a run. */
interface Found {
  /** Live processes with the mark, as this `/proc` numbers them. */
  readonly pids: ReadonlyArray<number>
  /** How many of the container's processes could not be looked at. */
  readonly hidden: number
}

/** Is that the environment of a process that is meant? It begins and ends with a NUL, and has one between its variables. */
type Mark = (environment: string) => boolean

const find = (isMarked: Mark, container: string | undefined): Found => {
  const pids: Array<number> = []
  let hidden = 0
  for (const name of readdirSync("/proc")) {
    const pid = Number(name)
    if (!Number.isInteger(pid) || pid === process.pid) continue
    try {
      if (isMarked(`\0${readFileSync(`/proc/${name}/environ`, "latin1")}\0`)) pids.push(pid)
    } catch (error) {
      if (!isGone(error) && container !== undefined && belongsTo(container, `/proc/${name}`)) hidden++
    }
  }
  return { pids, hidden }
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

const signalOne = (pid: number, signal: NodeJS.Signals): void => {
  try {
    process.kill(pid, signal)
  } catch (error) {
    if (errorCode(error) !== "ESRCH") throw error
  }
}

const ending = (value: Ending): Ending => value

/**
 * Ends every process of a run: the signal, the grace period, KILL; then looks again. Never fails: what can't be done
 * is in the {@link Ending}.
 */
export const endMarked = ({ container, grace, runId, signal }: EndRun): Effect.Effect<Ending> => {
  const mark = `\0${runVariable}=${runId}\0`
  return endAll((environment) => environment.includes(mark), { container, grace, signal })
}

/** Processes that were started by somebody who is not there any more, as their environment says. */
export const EndOthers = Schema.Struct({
  /** The variable that says by whom. */
  variable: Schema.NonEmptyString,
  /** Whose processes are to go on. */
  living: Schema.Array(Schema.String)
})
export type EndOthers = typeof EndOthers.Type

/** How long such processes may take to end by themselves, in milliseconds. */
export const othersGrace = 5000

/** Ends all of them, wherever they run. */
export const endMarkedOthers = ({ living, variable }: EndOthers): Effect.Effect<Ending> => {
  const prefix = `\0${variable}=`
  const isOrphan: Mark = (environment) => {
    const at = environment.indexOf(prefix)
    if (at < 0) return false
    const from = at + prefix.length
    return !living.includes(environment.slice(from, environment.indexOf("\0", from)))
  }
  return endAll(isOrphan, { container: undefined, grace: othersGrace, signal: "SIGTERM" })
}

const endAll = Effect.fnUntraced(
  function* (
    isMarked: Mark,
    {
      container,
      grace,
      signal
    }: { readonly container: string | undefined; readonly grace: number; readonly signal: Signal }
  ) {
    const start = yield* Clock.currentTimeMillis
    const signalled = new Set<number>()
    const step = (now: number) => {
      const found = find(isMarked, container)
      for (const pid of found.pids) {
        if (now - start >= grace) signalOne(pid, "SIGKILL")
        else if (!signalled.has(pid)) signalOne(pid, signal)
        signalled.add(pid)
      }
      return found
    }
    while (true) {
      const now = yield* Clock.currentTimeMillis
      const { hidden, pids } = yield* Effect.try({ try: () => step(now), catch: errorCode })
      if (pids.length === 0) {
        return hidden === 0
          ? ending({ _tag: "Killed" })
          : unconfirmed(`${hidden} processes of the container could not be looked at`)
      }
      if (now - start > grace + killPatience) return ending({ _tag: "Alive", pids })
      yield* Effect.sleep(interval)
    }
  },
  Effect.catch((code) => Effect.succeed(unconfirmed(`can't signal the processes: ${code}`)))
)
