/** The memory of the processes of a soak, from `/proc`. */
import { readFileSync } from "node:fs"
import { basename } from "node:path"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { imageCommands } from "../../src/ImageCommands.ts"
import { cgroupOf } from "../cluster/Engine.ts"
import { commandLines, readOf } from "../cluster/Processes.ts"
import type { SwarmClusterShape } from "../cluster/SwarmCluster.ts"

/** What a process does in a soak. */
export type ProcessRole = "caller" | "helper" | "agent"

/** The role of a process by its command line. `program`: the path of the callers' program. `undefined` for other processes. */
export const roleOf = (argv: ReadonlyArray<string>, program: string): ProcessRole | undefined => {
  const [file = ""] = argv
  if (basename(file) !== "node") return undefined
  // A caller's program also runs as a guard, and removes the objects of runs.
  if (argv.includes(imageCommands.guard) || argv.includes(imageCommands.removeRuns)) return undefined
  if (argv.includes(program)) return "caller"
  if (!argv.some((word) => word.startsWith("/opt/task-exec/"))) return undefined
  if (argv.includes(imageCommands.helper)) return "helper"
  return argv.includes(imageCommands.agent) ? "agent" : undefined
}

/** A value in bytes from the text of `/proc/PID/status`. `undefined` if the text lacks it: the process has ended. */
export const bytesIn = (status: string, name: "VmHWM" | "VmRSS"): number | undefined => {
  const [, found] = new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(status) ?? []
  return found === undefined ? undefined : Number(found) * 1024
}

/** A value of a process in bytes. `undefined` if the process has ended. */
export const memoryOf = (pid: number, name: "VmHWM" | "VmRSS"): number | undefined =>
  bytesIn(readOf(() => readFileSync(`/proc/${pid}/status`, "utf8")) ?? "", name)

/** The node of the cluster in whose containers a process runs. */
const nodeOf = (pid: number, { dir, nodes }: SwarmClusterShape): string | undefined => {
  const cgroup = readOf(() => readFileSync(`/proc/${pid}/cgroup`, "utf8")) ?? ""
  return nodes.find(({ name }) => cgroup.includes(`/${cgroupOf(dir)}/${name}/`))?.name
}

/** The callers, helpers and agents of a cluster. */
const processesOf = (cluster: SwarmClusterShape, program: string) =>
  commandLines().flatMap(({ argv, pid }) => {
    const role = roleOf(argv, program)
    if (role === undefined) return []
    const node = nodeOf(pid, cluster)
    return role === "caller" || node !== undefined ? [{ pid, role, node }] : []
  })

/** The time between two looks at the processes. A look takes some milliseconds of CPU time. */
const period = "500 millis"

/** Watches callers and helpers until the scope closes. */
export const watchMemory = Effect.fnUntraced(function* (cluster: SwarmClusterShape, program: string) {
  let seen = new Map<ProcessRole, number>()
  const look = Effect.sync(() => {
    for (const { pid, role } of processesOf(cluster, program))
      seen.set(role, Math.max(seen.get(role) ?? 0, memoryOf(pid, "VmHWM") ?? 0))
  })
  yield* Effect.forkScoped(Effect.repeat(look, Schedule.spaced(period)))
  /** The highest memory of a caller and of a helper that was seen since the last call, in bytes. */
  const takePeaks = Effect.sync(() => {
    const { caller, helper } = Object.fromEntries(seen)
    seen = new Map()
    return { ...(caller === undefined ? {} : { caller }), ...(helper === undefined ? {} : { helper }) }
  })
  /** The resident memory of each node's agent in bytes. */
  const agents = Effect.sync(() =>
    Object.fromEntries(
      processesOf(cluster, program).flatMap(({ node, pid, role }) => {
        const bytes = role === "agent" && node !== undefined ? memoryOf(pid, "VmRSS") : undefined
        return node === undefined || bytes === undefined ? [] : [[node, bytes] as const]
      })
    )
  )
  return { takePeaks, agents }
})
