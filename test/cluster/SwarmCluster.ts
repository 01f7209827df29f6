/**
 * The embedded swarm: a real Docker Swarm of several nodes on one Linux machine, with an image registry.
 *
 * `SwarmCluster.layer({ nodes: 3 })` starts one and removes it with its scope. `SwarmCluster.layerShared` attaches to one that was started
 * by `npm run swarm -- up` or by vitest's global setup.
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
import { sweepOnExit } from "./ExitSweep.ts"
import { importImage, pushImage, type RootFs } from "./Images.ts"
import { checkMachine, installMissing } from "./Install.ts"
import { exclusively } from "./Lock.ts"
import { runInside } from "./Machine.ts"
import { setPlug } from "./Network.ts"
import { type EngineOptions, engineOfEnvironment } from "./NewerEngine.ts"
import { isAlive, type ProcessRef, self } from "./Processes.ts"
import { registryOf } from "./Registry.ts"
import { sweep, teardown } from "./Teardown.ts"

/** A node of the cluster. */
export interface ClusterNode {
  /** `node-1`, `node-2`, …: also its host name. */
  readonly name: string
  readonly role: Role
  /** The node ID in the swarm. */
  readonly nodeId: string
  readonly address: string
  /** Path of the engine's socket, as this process sees it. */
  readonly socket: string
  /** The socket as a `DOCKER_HOST`. */
  readonly dockerHost: string
  /** The first process of its machine, as this process sees it. */
  readonly pid: number
  /** The engine's processes, as this process sees them. None while the engine is down. */
  readonly enginePids: Effect.Effect<ReadonlyArray<number>>
  /** Runs a command inside the node's namespaces. Returns its stdout. */
  readonly exec: (argv: ReadonlyArray<string>) => Effect.Effect<string, CommandFailed>
}

/** The operations on a cluster. */
export interface SwarmClusterShape {
  readonly id: string
  /** Its folder: the value of `TASK_EXEC_CLUSTER` for processes that attach to it. */
  readonly dir: string
  readonly nodes: ReadonlyArray<ClusterNode>
  /** The first manager. */
  readonly manager: ClusterNode
  /** `HOST:PORT` of the image registry. */
  readonly registry: string
  /** The test image, in the registry: busybox with all its applets. */
  readonly image: string
  /** Creates an image on a node (default: the first manager), as `docker import` does. */
  readonly importImage: (
    ref: string,
    rootfs: RootFs,
    options?: { readonly changes?: ReadonlyArray<string>; readonly node?: ClusterNode }
  ) => Effect.Effect<void, EngineApiError>
  /** Pushes an image from a node to the registry. Returns its digest, `sha256:…`. */
  readonly push: (node: ClusterNode, ref: string) => Effect.Effect<string, EngineApiError>
  /** Sends a node's engine a signal, and waits for its end if the signal ends it. */
  readonly killEngine: (node: ClusterNode, signal: NodeJS.Signals) => Effect.Effect<void, EngineNotReady>
  /** Starts a node's engine again and waits until it responds. */
  readonly startEngine: (node: ClusterNode) => Effect.Effect<void, EngineNotReady | CommandFailed>
  /** Disconnects or connects a node's network cable. */
  readonly link: (node: ClusterNode, state: "up" | "down") => Effect.Effect<void, CommandFailed>
}

/** Environment variable that names the folder of the cluster to attach to. */
export const clusterVariable = "TASK_EXEC_CLUSTER"

/** The embedded swarm. */
export class SwarmCluster extends Context.Service<SwarmCluster, SwarmClusterShape>()("task-exec/test/SwarmCluster") {
  /**
   * Starts a cluster. Removes it when the scope closes, or when this process ends in another way.
   *
   * **Details**: the engine is this machine's own, unless the options or TASK_EXEC_TEST_ENGINE (`NewerEngine.ts`) select another.
   *
   * **Gotchas**: it waits in real time, so use `layer(SwarmCluster.layer(), { excludeTestServices: true })` or `it.live`. Closing the scope
   * dies with `EngineCrashed` if an engine has crashed and no test has reported it.
   */
  static readonly layer = (options: ClusterOptions = {}) =>
    Layer.effect(SwarmCluster, sweepOnExit.pipe(Effect.andThen(bringUp(options)), Effect.tap(inUse)))

  /** Attaches to the cluster in the folder of `TASK_EXEC_CLUSTER`, without removing it. */
  static readonly layerShared = Layer.effect(
    SwarmCluster,
    Config.String(clusterVariable).pipe(
      Effect.flatMap((dir) => attach(dir)),
      Effect.tap((cluster) => Effect.sync(() => clustersInUse.set(cluster.dir, cluster)))
    )
  )
}

/** The clusters that this process started or attached to, by their folders. */
export const clustersInUse = new Map<string, SwarmClusterShape>()

/** Lists a cluster as in use until the scope closes. Looks for a crash at the end. */
const inUse = (cluster: SwarmClusterShape) =>
  Effect.acquireRelease(
    Effect.sync(() => clustersInUse.set(cluster.dir, cluster)),
    () =>
      Effect.sync(() => clustersInUse.delete(cluster.dir)).pipe(
        Effect.andThen(findNewCrash(cluster)),
        Effect.flatMap((crash) => (crash === undefined ? Effect.void : Effect.die(crash)))
      )
  )

/** The service of a running cluster. */
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

/** Starts a cluster until the scope closes. */
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

/** Attaches to the running cluster in a folder. */
export const attach = Effect.fn("SwarmCluster.attach")(function* (dir: string) {
  const state = yield* load(dir)
  for (const { name, machine } of state.nodes)
    if (!(yield* isAlive(machine))) return yield* new NoSuchCluster({ dir, detail: `the machine of ${name} is gone` })
  return yield* serviceOf(dir, state)
})

/** Starts a cluster that another process removes, or none. Removes everything if it fails. */
export const bringUpFor = Effect.fn("SwarmCluster.bringUpFor")(function* (
  owner: ProcessRef | null,
  options: ClusterOptions = {}
) {
  const scope = yield* Scope.make()
  yield* sweepOnExit
  return yield* bringUp(options).pipe(
    Effect.tap(({ dir }) => Effect.flatMap(load(dir), (state) => save(dir, { ...state, owner }))),
    Scope.provide(scope),
    Effect.onExit((exit) => (Exit.isSuccess(exit) ? Effect.void : Scope.close(scope, exit)))
  )
}, Effect.scoped)

/** Removes the clusters that `choose` accepts, and those of killed runs. Returns their names. */
export const takeDown = (choose: (state: ClusterState) => boolean) =>
  exclusively(
    Effect.gen(function* () {
      const swept = yield* sweep()
      const chosen = (yield* list).filter(({ state }) => state !== undefined && choose(state))
      yield* Effect.forEach(chosen, teardown, { discard: true })
      return [...swept, ...chosen.map(({ id }) => id)]
    })
  )
