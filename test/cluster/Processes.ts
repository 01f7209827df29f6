/** The machine's processes, as /proc shows them. */

import { readdirSync, readFileSync, readlinkSync } from "node:fs"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { pollUntil } from "./Poll.ts"

/** A process that can't be mistaken for a later one with the same number. */
export const ProcessRef = Schema.Struct({
  pid: Schema.Int,
  /** Clock ticks between the machine's boot and the start of the process. */
  startTime: Schema.String
})
/** A process that can't be mistaken for a later one with the same number. */
export type ProcessRef = typeof ProcessRef.Type

/** Killed processes are still there. */
export class ProcessesLinger extends Schema.TaggedError<ProcessesLinger>()("ProcessesLinger", {
  pids: Schema.Array(Schema.Int),
  seconds: Schema.Finite
}) {
  override get message(): string {
    return `processes ${this.pids.join(", ")} were killed but still run after ${this.seconds} s: look at them with ps`
  }
}

/** Reads of a process which may end at any moment: undefined when it is gone. */
const readOf = <A>(read: () => A): A | undefined => {
  try {
    return read()
  } catch {
    return undefined
  }
}

interface Stat {
  readonly name: string
  readonly state: string
  readonly parent: number
  readonly startTime: string
}

const stat = (pid: number): Stat | undefined => {
  const text = readOf(() => readFileSync(`/proc/${pid}/stat`, "utf8"))
  if (text === undefined) return undefined
  const close = text.lastIndexOf(")")
  const fields = text.slice(close + 2).split(" ")
  const [state = "", parent = ""] = fields
  return { name: text.slice(text.indexOf("(") + 1, close), state, parent: Number(parent), startTime: fields[19] ?? "" }
}

const pids = (): ReadonlyArray<number> =>
  readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)

const runs = (pid: number): boolean => {
  const state = stat(pid)?.state
  return state !== undefined && state !== "Z" && state !== "X"
}

/** The process with this number, if there is one that runs. */
export const refOf = (pid: number): Effect.Effect<ProcessRef | undefined> =>
  Effect.sync(() => {
    const found = stat(pid)
    return found === undefined || found.state === "Z" ? undefined : { pid, startTime: found.startTime }
  })

/** This process. */
export const self: Effect.Effect<ProcessRef> = Effect.sync(() => ({
  pid: process.pid,
  startTime: stat(process.pid)?.startTime ?? ""
}))

/** Whether the very process still runs. */
export const isAlive = (ref: ProcessRef): Effect.Effect<boolean> =>
  Effect.sync(() => runs(ref.pid) && stat(ref.pid)?.startTime === ref.startTime)

/** An environment variable of a process. */
export interface EnvironmentHit {
  readonly pid: number
  readonly name: string
  readonly value: string
}

/** All processes that have the variable in the environment they were started with. */
export const withVariable = (variable: string): Effect.Effect<ReadonlyArray<EnvironmentHit>> =>
  Effect.sync(() => {
    const prefix = `${variable}=`
    return pids().flatMap((pid) => {
      const environ = readOf(() => readFileSync(`/proc/${pid}/environ`, "utf8")) ?? ""
      const entry = environ.includes(prefix) ? environ.split("\0").find((e) => e.startsWith(prefix)) : undefined
      return entry === undefined ? [] : [{ pid, name: stat(pid)?.name ?? "?", value: entry.slice(prefix.length) }]
    })
  })

/** The processes of this name that live in the same process namespace as `pid`. */
export const neighbours = (pid: number, name: string): Effect.Effect<ReadonlyArray<number>> =>
  Effect.sync(() => {
    const namespaceOf = (other: number) => readOf(() => readlinkSync(`/proc/${other}/ns/pid`))
    const namespace = namespaceOf(pid)
    if (namespace === undefined) return []
    return pids().filter((other) => stat(other)?.name === name && runs(other) && namespaceOf(other) === namespace)
  })

/** The children of a process. */
export const childrenOf = (pid: number): Effect.Effect<ReadonlyArray<number>> =>
  Effect.sync(() => pids().filter((other) => stat(other)?.parent === pid))

/** The processes above a process, nearest first, up to the machine's first. */
export const ancestorsOf = (pid: number): Effect.Effect<ReadonlyArray<number>> =>
  Effect.sync(() => {
    const above: Array<number> = []
    for (let next = stat(pid)?.parent; next !== undefined && next > 0; next = stat(next)?.parent) above.push(next)
    return above
  })

/** Sends a signal; that the process is already gone is as good. */
export const signal = (pid: number, name: NodeJS.Signals): Effect.Effect<void> =>
  Effect.sync(() => void readOf(() => process.kill(pid, name)))

/** Kills every process that the search finds, until it finds none and those found before are gone. */
export const killAll = Effect.fnUntraced(function* (
  search: Effect.Effect<ReadonlyArray<number>>,
  seconds = 60
): Effect.fn.Return<void, ProcessesLinger> {
  const killed = new Set<number>()
  const left = Effect.gen(function* () {
    for (const pid of yield* search) {
      killed.add(pid)
      yield* signal(pid, "SIGKILL")
    }
    return [...killed].filter(runs)
  })
  yield* pollUntil(
    Effect.map(left, (pids) => pids.length === 0),
    {
      every: 10,
      atMost: seconds * 1000,
      orElse: Effect.suspend(() => Effect.fail(new ProcessesLinger({ pids: [...killed].filter(runs), seconds })))
    }
  )
})

/** Sends every process of a group the signal (0: none). False when none of them is left. */
export const signalGroup = (pid: number, signal: NodeJS.Signals | 0): boolean => {
  try {
    return process.kill(-pid, signal)
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ESRCH") return false
    throw error
  }
}
