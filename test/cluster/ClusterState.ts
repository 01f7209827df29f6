/** The state of a cluster for other processes: one JSON file in the cluster's folder. */

import { existsSync, mkdirSync, readFileSync, statfsSync } from "node:fs"
import { readdir, readFile, rename, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { basename, join } from "node:path"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { isAlive, ProcessRef } from "./Processes.ts"

/** The role of a node in the swarm. */
export const Role = Schema.Literals(["manager", "worker"])
/** The role of a node in the swarm. */
export type Role = typeof Role.Type

/** The state of a node. */
export const NodeState = Schema.Struct({
  /** `node-1`, `node-2`, …: also its host name. */
  name: Schema.String,
  role: Role,
  /** The node ID in the swarm. */
  nodeId: Schema.String,
  address: Schema.String,
  /** The first process of its machine. */
  machine: ProcessRef
})

/** The state of a cluster. */
export const ClusterState = Schema.Struct({
  id: Schema.String,
  /** Number of its bridge and subnet. */
  index: Schema.Int,
  /** The process that will remove the cluster. Null if it must outlive the process that created it. */
  owner: Schema.NullOr(ProcessRef),
  /** After a reboot, only files of a cluster exist. */
  bootId: Schema.String,
  enginePath: Schema.NullOr(Schema.String),
  dockerdArgs: Schema.Array(Schema.String),
  /** The test image; empty until the cluster is up. */
  image: Schema.String,
  /** Empty until the cluster is up. */
  nodes: Schema.Array(NodeState)
})
/** The state of a cluster. */
export type ClusterState = typeof ClusterState.Type

/** There is no cluster in this folder, or its state is unreadable. */
export class NoSuchCluster extends Schema.TaggedError<NoSuchCluster>()("NoSuchCluster", {
  dir: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    return `no swarm in ${this.dir} (${this.detail}): start one with \`npm run swarm -- up\``
  }
}

/** No folder can hold the engines' layers. */
export class NoPlaceForLayers extends Schema.TaggedError<NoPlaceForLayers>()("NoPlaceForLayers", {
  tried: Schema.Array(Schema.String)
}) {
  override get message(): string {
    return `${this.tried.join(", ")} are all on overlay filesystems, on which engines can't stack image layers`
  }
}

/** File system magic number of overlayfs, which cannot be the upper layer of another overlayfs. */
const overlayfs = 0x794c7630

/** The folder of all clusters of this machine. Creates it if it is missing. */
export const clustersDir: Effect.Effect<string, NoPlaceForLayers> = Effect.suspend(() => {
  const tried = ["/var/lib", tmpdir(), "/dev/shm"]
  const place = tried.find((dir) => existsSync(dir) && statfsSync(dir).type !== overlayfs)
  if (place === undefined) return Effect.fail(new NoPlaceForLayers({ tried }))
  const dir = join(place, "task-exec-swarm")
  mkdirSync(dir, { recursive: true, mode: 0o755 })
  return Effect.succeed(dir)
})

/** The ID of the current boot. */
export const bootId: Effect.Effect<string> = Effect.sync(() =>
  readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim()
)

const stateFile = (dir: string) => join(dir, "state.json")
const decode = Schema.decodeUnknownEffect(Schema.fromJsonString(ClusterState))

/** Reads the state of a cluster from its folder. */
export const load = (dir: string): Effect.Effect<ClusterState, NoSuchCluster> =>
  Effect.tryPromise({
    try: () => readFile(stateFile(dir), "utf8"),
    catch: (error) => new NoSuchCluster({ dir, detail: existsSync(dir) ? String(error) : "no such folder" })
  }).pipe(
    Effect.flatMap((text) =>
      Effect.mapError(decode(text), (error) => new NoSuchCluster({ dir, detail: error.message }))
    )
  )

/** Replaces the state atomically. */
export const save = (dir: string, state: ClusterState): Effect.Effect<void> =>
  Effect.promise(async () => {
    const draft = `${stateFile(dir)}.new`
    await writeFile(draft, JSON.stringify(state, null, 2))
    await rename(draft, stateFile(dir))
  })

/** A cluster's folder, and its state if that is readable. */
export interface Found {
  readonly id: string
  readonly dir: string
  readonly state: ClusterState | undefined
}

/** All clusters of this machine, also incomplete ones. */
export const list: Effect.Effect<ReadonlyArray<Found>, NoPlaceForLayers> = Effect.gen(function* () {
  const root = yield* clustersDir
  const entries = yield* Effect.promise(() => readdir(root, { withFileTypes: true }))
  return yield* Effect.forEach(
    entries.filter((entry) => entry.isDirectory()).map((entry) => join(root, entry.name)),
    (dir) =>
      Effect.map(Effect.match(load(dir), { onFailure: () => undefined, onSuccess: (state) => state }), (state) => ({
        id: basename(dir),
        dir,
        state
      }))
  )
})

/** Whether no process will remove this cluster: its owner was killed, or the machine was rebooted. */
export const isStale = Effect.fnUntraced(function* ({ state }: Found) {
  if (state === undefined || state.bootId !== (yield* bootId)) return true
  return state.owner !== null && !(yield* isAlive(state.owner))
})
