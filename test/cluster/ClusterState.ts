/** What is known of a cluster outside of the process that made it: one JSON file in the cluster's folder. */

import { existsSync, mkdirSync, readFileSync, statfsSync } from "node:fs"
import { readdir, readFile, rename, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { basename, join } from "node:path"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { isAlive, ProcessRef } from "./Processes.ts"

/** A node's part in the swarm. */
export const Role = Schema.Literals(["manager", "worker"])
/** A node's part in the swarm. */
export type Role = typeof Role.Type

/** What is known of a node. */
export const NodeState = Schema.Struct({
  /** `node-1`, `node-2`, …: its host name too. */
  name: Schema.String,
  role: Role,
  /** The ID that the swarm gave it. */
  nodeId: Schema.String,
  address: Schema.String,
  /** The first process of its machine. */
  machine: ProcessRef
})

/** What is known of a cluster. */
export const ClusterState = Schema.Struct({
  id: Schema.String,
  /** Number of its bridge and subnet. */
  index: Schema.Int,
  /** The process that will take it down, or null if it is to outlive the process that made it. */
  owner: Schema.NullOr(ProcessRef),
  /** Since a reboot nothing of it is left but files. */
  bootId: Schema.String,
  enginePath: Schema.NullOr(Schema.String),
  dockerdArgs: Schema.Array(Schema.String),
  /** The test image; empty until the cluster is up. */
  image: Schema.String,
  /** Empty until the cluster is up. */
  nodes: Schema.Array(NodeState)
})
/** What is known of a cluster. */
export type ClusterState = typeof ClusterState.Type

/** There is no cluster there, or its state can't be read. */
export class NoSuchCluster extends Schema.TaggedError<NoSuchCluster>()("NoSuchCluster", {
  dir: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    return `no swarm in ${this.dir} (${this.detail}): start one with \`npm run swarm -- up\``
  }
}

/** No place for the engines' layers. */
export class NoPlaceForLayers extends Schema.TaggedError<NoPlaceForLayers>()("NoPlaceForLayers", {
  tried: Schema.Array(Schema.String)
}) {
  override get message(): string {
    return `${this.tried.join(", ")} are all on overlay filesystems, on which engines can't stack image layers`
  }
}

/** File system magic number of overlayfs, which can't be the upper layer of another one. */
const overlayfs = 0x794c7630

/** The folder of all clusters of this machine, made when it isn't there. */
export const clustersDir: Effect.Effect<string, NoPlaceForLayers> = Effect.suspend(() => {
  const tried = ["/var/lib", tmpdir(), "/dev/shm"]
  const place = tried.find((dir) => existsSync(dir) && statfsSync(dir).type !== overlayfs)
  if (place === undefined) return Effect.fail(new NoPlaceForLayers({ tried }))
  const dir = join(place, "task-exec-swarm")
  mkdirSync(dir, { recursive: true, mode: 0o755 })
  return Effect.succeed(dir)
})

/** This boot of the machine. */
export const bootId: Effect.Effect<string> = Effect.sync(() =>
  readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim()
)

const stateFile = (dir: string) => join(dir, "state.json")
const decode = Schema.decodeUnknownEffect(Schema.fromJsonString(ClusterState))

/** Reads the state of the cluster in a folder. */
export const load = (dir: string): Effect.Effect<ClusterState, NoSuchCluster> =>
  Effect.tryPromise({
    try: () => readFile(stateFile(dir), "utf8"),
    catch: (error) => new NoSuchCluster({ dir, detail: existsSync(dir) ? String(error) : "no such folder" })
  }).pipe(
    Effect.flatMap((text) =>
      Effect.mapError(decode(text), (error) => new NoSuchCluster({ dir, detail: error.message }))
    )
  )

/** Writes the state, wholly or not at all. */
export const save = (dir: string, state: ClusterState): Effect.Effect<void> =>
  Effect.promise(async () => {
    const draft = `${stateFile(dir)}.new`
    await writeFile(draft, JSON.stringify(state, null, 2))
    await rename(draft, stateFile(dir))
  })

/** A cluster's folder, with its state unless that can't be read. */
export interface Found {
  readonly id: string
  readonly dir: string
  readonly state: ClusterState | undefined
}

/** All clusters of this machine, whole or not. */
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

/** Whether nobody will ever take this cluster down: left by a run that was killed, or from before a reboot. */
export const isStale = Effect.fnUntraced(function* ({ state }: Found) {
  if (state === undefined || state.bootId !== (yield* bootId)) return true
  return state.owner !== null && !(yield* isAlive(state.owner))
})
