/** The machine's processes, as /proc shows them. */

import { readdirSync, readFileSync, readlinkSync } from "node:fs"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { pollUntil } from "./Poll.ts"

/** A process, identified so that it is not confused with a later one of the same number. */
export const ProcessRef = Schema.Struct({
  pid: Schema.Int,
  /** Clock ticks from the machine's boot to the start of the process. */
  startTime: Schema.String
})
/** A process, identified so that it is not confused with a later one of the same number. */
export type ProcessRef = typeof ProcessRef.Type

/** Killed processes have not ended. */
export class ProcessesLinger extends Schema.TaggedError<ProcessesLinger>()("ProcessesLinger", {
  pids: Schema.Array(Schema.Int),
  seconds: Schema.Finite
}) {
  override get message(): string {
    return `processes ${this.pids.join(", ")} were killed but still run after ${this.seconds} s: look at them with ps`
  }
}

/** Reads a file of a process. `undefined` if the process has ended. */
export const readOf = <A>(read: () => A): A | undefined => {
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

/** The running process with this number, if any. */
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

/** Whether exactly this process runs. */
export const isAlive = (ref: ProcessRef): Effect.Effect<boolean> =>
  Effect.sync(() => runs(ref.pid) && stat(ref.pid)?.startTime === ref.startTime)

/** A process with an environment variable. */
export interface EnvironmentHit {
  readonly pid: number
  readonly name: string
  readonly value: string
}

/** All processes that were started with this variable in their environment. */
export const withVariable = (variable: string): Effect.Effect<ReadonlyArray<EnvironmentHit>> =>
  Effect.sync(() => {
    const prefix = `${variable}=`
    return pids().flatMap((pid) => {
      const environ = readOf(() => readFileSync(`/proc/${pid}/environ`, "utf8")) ?? ""
      const entry = environ.includes(prefix) ? environ.split("\0").find((e) => e.startsWith(prefix)) : undefined
      return entry === undefined ? [] : [{ pid, name: stat(pid)?.name ?? "?", value: entry.slice(prefix.length) }]
    })
  })

/** The processes of this name in the process namespace of `pid`. */
export const inProcessNamespace = (pid: number, name: string): Effect.Effect<ReadonlyArray<number>> =>
  Effect.sync(() => {
    const namespaceOf = (other: number) => readOf(() => readlinkSync(`/proc/${other}/ns/pid`))
    const namespace = namespaceOf(pid)
    if (namespace === undefined) return []
    return pids().filter((other) => stat(other)?.name === name && runs(other) && namespaceOf(other) === namespace)
  })

/** All processes with their command lines. Processes of the kernel have none, and are left out. */
export const commandLines = (): ReadonlyArray<{ readonly pid: number; readonly argv: ReadonlyArray<string> }> =>
  pids().flatMap((pid) => {
    const text = readOf(() => readFileSync(`/proc/${pid}/cmdline`, "utf8")) ?? ""
    return text === "" ? [] : [{ pid, argv: text.replace(/\0$/, "").split("\0") }]
  })

/** The children of a process. */
export const childrenOf = (pid: number): Effect.Effect<ReadonlyArray<number>> =>
  Effect.sync(() => pids().filter((other) => stat(other)?.parent === pid))

/** The ancestors of a process, nearest first. */
export const ancestorsOf = (pid: number): Effect.Effect<ReadonlyArray<number>> =>
  Effect.sync(() => {
    const above: Array<number> = []
    for (let next = stat(pid)?.parent; next !== undefined && next > 0; next = stat(next)?.parent) above.push(next)
    return above
  })

/** Sends a signal. Succeeds if the process has ended. */
export const signal = (pid: number, name: NodeJS.Signals): Effect.Effect<void> =>
  Effect.sync(() => void readOf(() => process.kill(pid, name)))

/** Kills the processes that the search finds, until it finds none and all found ones have ended. */
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

/** Sends the signal (0: none) to every process of a group. Returns false if the group is empty. */
export const signalGroup = (pid: number, signal: NodeJS.Signals | 0): boolean => {
  try {
    return process.kill(-pid, signal)
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ESRCH") return false
    throw error
  }
}
