/**
 * The embedded swarm: a real Docker Swarm of several nodes on one Linux machine, with an image registry.
 *
 * `SwarmCluster.layer({ nodes: 3 })` brings one up and takes it down with its scope; `SwarmCluster.layerShared` attaches
 * to one that somebody else brought up (`npm run swarm -- up`, or vitest's global set-up).
 */
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { assemble, type ClusterOptions, claim, engineSpec } from "./Assembly.ts"
import { type ClusterState, list, load, NoSuchCluster, type Role, save } from "./ClusterState.ts"
import type { CommandFailed } from "./Command.ts"
import { type EngineNotReady, enginePids, killEngine, socketOf, startEngine } from "./Engine.ts"
import type { EngineApiError } from "./EngineApi.ts"
import { findNewCrash } from "./EngineCrash.ts"
import { importImage, pushImage, type RootFs } from "./Images.ts"
import { checkMachine, installMissing } from "./Install.ts"
import { exclusively } from "./Lock.ts"
import { runInside } from "./Machine.ts"
import { setPlug } from "./Network.ts"
import { type EngineOptions, engineOfEnvironment } from "./NewerEngine.ts"
import { isAlive, type ProcessRef, self } from "./Processes.ts"
import { registryOf } from "./Registry.ts"
import { sweep, teardown } from "./Teardown.ts"
import { ward } from "./Ward.ts"

/** A node of the cluster. */
export interface ClusterNode {
  /** `node-1`, `node-2`, …: its host name too. */
  readonly name: string
  readonly role: Role
  /** The ID that the swarm gave it. */
  readonly nodeId: string
  readonly address: string
  /** Path of the engine's socket, as this process sees it. */
  readonly socket: string
  /** The same as a `DOCKER_HOST`. */
  readonly dockerHost: string
  /** The first process of its machine, as this process sees it. */
  readonly pid: number
  /** The engine's process, as this process sees it; none while it is killed. */
  readonly enginePids: Effect.Effect<ReadonlyArray<number>>
  /** Runs a command inside the node's namespaces and gives its standard output. */
  readonly exec: (argv: ReadonlyArray<string>) => Effect.Effect<string, CommandFailed>
}

/** What can be done with a cluster. */
export interface SwarmClusterShape {
  readonly id: string
  /** Its folder; the value of `TASK_EXEC_CLUSTER` for those who attach to it. */
  readonly dir: string
  readonly nodes: ReadonlyArray<ClusterNode>
  /** The first manager. */
  readonly manager: ClusterNode
  /** `HOST:PORT` of the image registry. */
  readonly registry: string
  /** The test image, in the registry: busybox with all its applets. */
  readonly image: string
  /** Makes an image on a node (the first manager unless told), as `docker import` does. */
  readonly importImage: (
    ref: string,
    rootfs: RootFs,
    options?: { readonly changes?: ReadonlyArray<string>; readonly node?: ClusterNode }
  ) => Effect.Effect<void, EngineApiError>
  /** Pushes an image from a node to the registry; gives its digest, `sha256:…`. */
  readonly push: (node: ClusterNode, ref: string) => Effect.Effect<string, EngineApiError>
  /** Sends a node's engine a signal, and waits for its end if it is one that ends it. */
  readonly killEngine: (node: ClusterNode, signal: NodeJS.Signals) => Effect.Effect<void, EngineNotReady>
  /** Starts a node's engine again, and waits until it answers. */
  readonly startEngine: (node: ClusterNode) => Effect.Effect<void, EngineNotReady | CommandFailed>
  /** Pulls or plugs a node's network cable. */
  readonly link: (node: ClusterNode, state: "up" | "down") => Effect.Effect<void, CommandFailed>
}

/** Environment variable that names the folder of the cluster to attach to. */
export const clusterVariable = "TASK_EXEC_CLUSTER"

/** The embedded swarm. */
export class SwarmCluster extends Context.Service<SwarmCluster, SwarmClusterShape>()("task-exec/test/SwarmCluster") {
  /**
   * Brings a cluster up, and takes all of it down when the scope closes, or when this process ends otherwise.
   *
   * **Details**
   *
   * Its engine is this machine's own, unless the options or TASK_EXEC_TEST_ENGINE (`NewerEngine.ts`) ask for another.
   *
   * **Gotchas**
   *
   * It waits in real time: `layer(SwarmCluster.layer(), { excludeTestServices: true })`, or `it.live`.
   * The scope closes with `EngineCrashed` as a defect if an engine crashed and nobody has found that yet.
   */
  static readonly layer = (options: ClusterOptions = {}) =>
    Layer.effect(SwarmCluster, ward.pipe(Effect.andThen(bringUp(options)), Effect.tap(inUse)))

  /** Attaches to the cluster whose folder `TASK_EXEC_CLUSTER` names, and leaves it be. */
  static readonly layerShared = Layer.effect(
    SwarmCluster,
    Config.String(clusterVariable).pipe(
      Effect.flatMap((dir) => attach(dir)),
      Effect.tap((cluster) => Effect.sync(() => clustersInUse.set(cluster.dir, cluster)))
    )
  )
}

/** The clusters that this process uses, by their folder: those that it brought up and those that it attached to. */
export const clustersInUse = new Map<string, SwarmClusterShape>()

/** Counts a cluster among those in use as long as the scope is open, and looks for a crash at the end. */
const inUse = (cluster: SwarmClusterShape) =>
  Effect.acquireRelease(
    Effect.sync(() => clustersInUse.set(cluster.dir, cluster)),
    () =>
      Effect.sync(() => clustersInUse.delete(cluster.dir)).pipe(
        Effect.andThen(findNewCrash(cluster)),
        Effect.flatMap((crash) => (crash === undefined ? Effect.void : Effect.die(crash)))
      )
  )

/** The service of a cluster that is up. */
const serviceOf = (dir: string, state: ClusterState): Effect.Effect<SwarmClusterShape, NoSuchCluster> => {
  const nodes = state.nodes.map(({ name, role, nodeId, address, machine: { pid } }): ClusterNode => {
    const socket = socketOf(dir, name)
    return {
      name,
      role,
      nodeId,
      address,
      socket,
      dockerHost: `unix://${socket}`,
      pid,
      enginePids: enginePids(pid),
      exec: (argv) => runInside(pid, argv)
    }
  })
  const [manager] = nodes
  if (manager === undefined) return Effect.fail(new NoSuchCluster({ dir, detail: "it has not come up" }))
  const spec = (node: ClusterNode) => engineSpec({ dir, state }, node.name, node.pid)
  return Effect.succeed({
    id: state.id,
    dir,
    nodes,
    manager,
    registry: registryOf(state.index),
    image: state.image,
    importImage: (ref, rootfs, { changes = [], node = manager } = {}) => importImage(node.socket, ref, rootfs, changes),
    push: (node, ref) => pushImage(node.socket, ref),
    killEngine: (node, signal) => killEngine(spec(node), signal),
    startEngine: (node) => startEngine(spec(node)),
    link: (node, to) => setPlug(state.index, nodes.findIndex(({ name }) => name === node.name) + 1, to)
  })
}

const withEngine = (engine: EngineOptions, asked: ClusterOptions): ClusterOptions => ({
  ...engine,
  ...asked,
  dockerdArgs: [...engine.dockerdArgs, ...(asked.dockerdArgs ?? [])]
})

/** Brings a cluster up; it goes away with the scope. */
const bringUp = Effect.fn("SwarmCluster.bringUp")(function* (asked: ClusterOptions) {
  yield* checkMachine()
  yield* installMissing()
  const options = asked.enginePath === undefined ? withEngine(yield* engineOfEnvironment, asked) : asked
  const owner = yield* self
  const claimed = yield* Effect.acquireRelease(exclusively(claim(options, owner)), (claimed) =>
    Effect.orDie(exclusively(teardown(claimed)))
  )
  return yield* serviceOf(claimed.dir, yield* assemble(claimed, options))
})

/** The cluster in a folder, which somebody else brought up. */
export const attach = Effect.fn("SwarmCluster.attach")(function* (dir: string) {
  const state = yield* load(dir)
  for (const { name, machine } of state.nodes)
    if (!(yield* isAlive(machine))) return yield* new NoSuchCluster({ dir, detail: `the machine of ${name} is gone` })
  return yield* serviceOf(dir, state)
})

/**
 * Brings a cluster up for another process, which takes it down, or for none: it outlives this process. When that fails, nothing
 * stays.
 */
export const bringUpFor = Effect.fn("SwarmCluster.bringUpFor")(function* (
  owner: ProcessRef | null,
  options: ClusterOptions = {}
) {
  const scope = yield* Scope.make()
  yield* ward
  return yield* bringUp(options).pipe(
    Effect.tap(({ dir }) => Effect.flatMap(load(dir), (state) => save(dir, { ...state, owner }))),
    Scope.provide(scope),
    Effect.onExit((exit) => (Exit.isSuccess(exit) ? Effect.void : Scope.close(scope, exit)))
  )
}, Effect.scoped)

/** Takes down the clusters that the choice accepts, and what killed runs left; gives the names. */
export const takeDown = (choose: (state: ClusterState) => boolean) =>
  exclusively(
    Effect.gen(function* () {
      const swept = yield* sweep()
      const chosen = (yield* list).filter(({ state }) => state !== undefined && choose(state))
      yield* Effect.forEach(chosen, teardown, { discard: true })
      return [...swept, ...chosen.map(({ id }) => id)]
    })
  )
