/** Removes a cluster, complete or not, running or crashed, by its folder's name and its number. */

import { existsSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs"
import { basename, join } from "node:path"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { type Found, isStale, list } from "./ClusterState.ts"
import { run } from "./Command.ts"
import { cgroupOf } from "./Engine.ts"
import { marker } from "./Machine.ts"
import { bridges, removeNetwork } from "./Network.ts"
import { pollUntil } from "./Poll.ts"
import { killAll, withVariable } from "./Processes.ts"

/** The control groups of ended containers cannot be removed. */
export class CgroupsLinger extends Schema.TaggedError<CgroupsLinger>()("CgroupsLinger", {
  folders: Schema.Array(Schema.String)
}) {
  override get message(): string {
    return `control groups are still in use: ${this.folders.join(", ")}; see their cgroup.procs`
  }
}

/** IDs of the processes that were started for the cluster in this folder, except those in its containers. */
export const processesOf = (dir: string): Effect.Effect<ReadonlyArray<number>> =>
  Effect.map(withVariable(marker), (hits) => hits.filter((hit) => hit.value === dir).map((hit) => hit.pid))

/** Mount points of the control group hierarchies: one with version 2, several with version 1. */
const hierarchies = (): ReadonlyArray<string> =>
  readFileSync("/proc/self/mounts", "utf8")
    .split("\n")
    .map((line) => line.split(" "))
    .flatMap(([, point = "", type = ""]) => (type === "cgroup" || type === "cgroup2" ? [point] : []))

const code = (error: unknown): unknown => (error instanceof Error && "code" in error ? error.code : undefined)

/** The files that continue the processes of a paused container, with their content: control groups of version 1 and 2. */
const thawing = [
  ["freezer.state", "THAWED"],
  ["cgroup.freeze", "0"]
] as const

/** Continues the processes of paused containers in a control group and its children. They end by SIGKILL only then. */
const thaw = (folder: string): void => {
  try {
    for (const [file, content] of thawing) {
      const path = join(folder, file)
      if (existsSync(path)) writeFileSync(path, content)
    }
    for (const entry of readdirSync(folder, { withFileTypes: true }))
      if (entry.isDirectory()) thaw(join(folder, entry.name))
  } catch (error) {
    if (code(error) !== "ENOENT" && code(error) !== "ENODEV") throw error
  }
}

/** Removes a control group with its children. Returns those that are in use. */
const removeCgroup = (folder: string): ReadonlyArray<string> => {
  try {
    const inside = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory())
    const busy = inside.flatMap((entry) => removeCgroup(join(folder, entry.name)))
    if (busy.length > 0) return busy
    rmdirSync(folder)
    return []
  } catch (error) {
    if (code(error) === "ENOENT") return []
    if (code(error) === "EBUSY") return [folder]
    throw error
  }
}

/** Removes the folder that all clusters share in a hierarchy, unless another cluster uses it. */
const removeSharedCgroup = (folder: string): void => {
  try {
    rmdirSync(folder)
  } catch (error) {
    if (!["ENOENT", "EBUSY", "ENOTEMPTY"].includes(String(code(error)))) throw error
  }
}

const removeCgroups = Effect.fnUntraced(function* (dir: string) {
  const busy = Effect.sync(() => hierarchies().flatMap((point) => removeCgroup(join(point, cgroupOf(dir)))))
  yield* pollUntil(
    Effect.map(busy, (folders) => folders.length === 0),
    {
      every: 10,
      atMost: 120_000,
      orElse: Effect.flatMap(busy, (folders) => Effect.fail(new CgroupsLinger({ folders })))
    }
  )
  yield* Effect.sync(() => {
    for (const point of hierarchies()) removeSharedCgroup(join(point, "task-exec"))
  })
})

/** Removes a cluster. Succeeds for parts that do not exist. The caller must hold the lock. */
export const teardown = Effect.fn("Teardown.teardown")(function* (found: Found) {
  yield* Effect.sync(() => {
    for (const point of hierarchies()) thaw(join(point, cgroupOf(found.dir)))
  })
  yield* killAll(processesOf(found.dir))
  if (found.state !== undefined) yield* removeNetwork(found.state.index)
  yield* removeCgroups(found.dir)
  yield* run("rm", ["-rf", "--one-file-system", "--", found.dir], { timeout: 60_000 })
})

/** Removes the clusters of killed runs, and no others. Returns their names. The caller must hold the lock. */
export const sweep = Effect.fn("Teardown.sweep")(function* () {
  const stale = yield* Effect.filter(yield* list, isStale)
  yield* Effect.forEach(stale, teardown, { discard: true })
  const known = new Set((yield* list).map((found) => found.state?.index))
  // The bridge of a cluster whose folder was deleted by hand.
  for (const index of (yield* bridges).idle) if (!known.has(index)) yield* removeNetwork(index)
  return stale.map((found) => basename(found.dir))
})
