/** Creates a cluster: claims a name and a subnet, then starts everything, in parallel where possible. */

import { mkdir } from "node:fs/promises"
import { join } from "node:path"
import * as Console from "effect/Console"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Semaphore from "effect/Semaphore"
import { makeBusyboxTar, publishBusybox } from "./Busybox.ts"
import { bootId, type ClusterState, clustersDir, list, type Role, save } from "./ClusterState.ts"
import { type EngineSpec, socketOf, startEngine } from "./Engine.ts"
import { awaitReady, initSwarm, type JoinInfo, joinSwarm, nodeIdOf } from "./Formation.ts"
import { startMachine } from "./Machine.ts"
import { addressOf, createBridge, freeIndex, plugIn } from "./Network.ts"
import { type ProcessRef, refOf } from "./Processes.ts"
import { registryOf, startRegistry } from "./Registry.ts"
import { sweep } from "./Teardown.ts"

/** A cluster of this name exists. */
export class ClusterExists extends Schema.TaggedError<ClusterExists>()("ClusterExists", { id: Schema.String }) {
  override get message(): string {
    return `the swarm ${this.id} is up already: \`npm run swarm -- down --name ${this.id}\` takes it down`
  }
}

/** The machine of a node ended while the cluster was created. */
export class MachineDied extends Schema.TaggedError<MachineDied>()("MachineDied", { node: Schema.String }) {
  override get message(): string {
    return `the machine of ${this.node} ended while the swarm came up: was the swarm taken down meanwhile?`
  }
}

/** The parts of a cluster. */
export interface ClusterOptions {
  /** Number of nodes. Default: 3. */
  readonly nodes?: number
  /** Number of managers, which are the first nodes. Default: 1. */
  readonly managers?: number
  /** Folder of another engine version. It is first on the engines' PATH. */
  readonly enginePath?: string
  /** More arguments for every dockerd. */
  readonly dockerdArgs?: ReadonlyArray<string>
  /** Name. The default contains the ID of this process. */
  readonly name?: string
}

const nextName = (taken: ReadonlyArray<string>): string => {
  for (let n = 1; ; n++) if (!taken.includes(`test-${process.pid}-${n}`)) return `test-${process.pid}-${n}`
}

/** A claimed cluster. Nothing runs yet. */
export interface Claim {
  readonly id: string
  readonly dir: string
  readonly state: ClusterState
}

/** Claims a name and a subnet, after it has removed clusters of killed runs. The caller must hold the lock. */
export const claim = Effect.fn("Assembly.claim")(function* (options: ClusterOptions, owner: ProcessRef) {
  const swept = yield* sweep()
  if (swept.length > 0) yield* Console.error(`removed what killed runs left: ${swept.join(", ")}`)
  const clusters = yield* list
  const id = options.name ?? nextName(clusters.map((cluster) => cluster.id))
  if (clusters.some((cluster) => cluster.id === id)) return yield* new ClusterExists({ id })
  const state: ClusterState = {
    id,
    index: yield* freeIndex(new Set(clusters.flatMap((cluster) => cluster.state?.index ?? []))),
    owner,
    bootId: yield* bootId,
    enginePath: options.enginePath ?? null,
    dockerdArgs: options.dockerdArgs ?? [],
    image: "",
    nodes: []
  }
  const dir = join(yield* clustersDir, id)
  yield* Effect.promise(() => mkdir(dir))
  yield* save(dir, state)
  const claimed: Claim = { id, dir, state }
  return claimed
})

/** The settings of a node's engine. */
export const engineSpec = ({ dir, state }: Omit<Claim, "id">, node: string, machinePid: number): EngineSpec => ({
  clusterDir: dir,
  node,
  machinePid,
  registry: registryOf(state.index),
  enginePath: state.enginePath,
  dockerdArgs: state.dockerdArgs
})

/** Starts the namespaces, the cable and the engine of node `n`. */
const bootNode = Effect.fnUntraced(function* (claimed: Claim, n: number) {
  const { dir, state } = claimed
  const name = `node-${n}`
  const pid = yield* startMachine(dir, name)
  const machine = yield* refOf(pid)
  if (machine === undefined) return yield* new MachineDied({ node: name })
  yield* plugIn(state.index, n, pid)
  yield* startEngine(engineSpec(claimed, name, pid))
  return { name, machine, socket: socketOf(dir, name), address: addressOf(state.index, n) }
})

/** Starts a cluster with these options. Returns its state when it is up. */
export const assemble = Effect.fn("Assembly.assemble")(function* (claimed: Claim, options: ClusterOptions) {
  const { dir, state } = claimed
  const { nodes: size = 3, managers = 1 } = options
  const manager = socketOf(dir, "node-1")
  const joinInfo = yield* Deferred.make<JoinInfo>()
  const oneAtATime = yield* Semaphore.make(1)

  const startNode = Effect.fnUntraced(function* (n: number) {
    const { name, machine, socket, address } = yield* bootNode(claimed, n)
    const role: Role = n <= managers ? "manager" : "worker"
    const join = Effect.flatMap(Deferred.await(joinInfo), (to) => joinSwarm(socket, address, role, to))
    if (n === 1) yield* Deferred.succeed(joinInfo, yield* initSwarm(socket, address))
    // Each new manager changes the quorum.
    else yield* role === "manager" ? oneAtATime.withPermits(1)(join) : join
    return { name, role, nodeId: yield* nodeIdOf(socket), address, machine }
  })
  const startNodes = Effect.forEach(
    Array.from({ length: size }, (_, i) => i + 1),
    startNode,
    { concurrency: "unbounded" }
  )
  const startImages = Effect.gen(function* () {
    const [tar] = yield* Effect.all([makeBusyboxTar(dir), startRegistry(dir, state.index)], { concurrency: 2 })
    yield* Deferred.await(joinInfo)
    return yield* publishBusybox(manager, registryOf(state.index), tar)
  })

  yield* createBridge(state.index)
  const [nodes, image] = yield* Effect.all([startNodes, startImages], { concurrency: 2 })
  yield* awaitReady(manager, size)
  const up: ClusterState = { ...state, image, nodes }
  yield* save(dir, up)
  return up
})
