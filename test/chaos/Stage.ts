/** The swarm of the runs: its setup, and its recovery after each run. */
import { copyFile, mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { buildImage } from "../../adapters/image/Image.ts"
import type { ClusterOptions } from "../cluster/Assembly.ts"
import { agentObjects } from "../cluster/Leftovers.ts"
import { poll } from "../cluster/Poll.ts"
import { createService, execIn, type RunningTask, waitRunning } from "../cluster/Services.ts"
import { type ClusterNode, SwarmCluster, type SwarmClusterShape } from "../cluster/SwarmCluster.ts"
import { callerEnv, startCaller } from "./Caller.ts"
import { echoServer } from "./Echo.ts"
import { managers, workers } from "./Plan.ts"
import { recordVolume } from "./Record.ts"
import { recordFolder } from "./Script.ts"
import { agentContainers, drainedNodes, managersOf, nodesSeenBy, setAvailability } from "./SwarmView.ts"

/** The swarm did not recover. */
export class Unhealthy extends Schema.TaggedError<Unhealthy>()("Unhealthy", { detail: Schema.String }) {
  override get message(): string {
    return `the swarm does not get well again: ${this.detail}`
  }
}

/** The stage of the runs. */
export interface Stage {
  readonly cluster: SwarmClusterShape
  /** Name of the service with a task on each target's node. */
  readonly service: string
  /** Reference of our image. */
  readonly image: string
  /** A copy of the built `task-exec`, so that a new build does not affect the runs. */
  readonly taskExec: string
  /** IDs of the agents' containers, one per node, when they were last found well. Empty if the last run required none. */
  agents: ReadonlyArray<string>
}

const service = "web"
/** Names of the nodes with a target. */
export const targets: ReadonlyArray<string> = [managers[0], ...workers]

const copyOfProgram = Effect.gen(function* () {
  const folder = yield* Effect.acquireRelease(
    Effect.promise(() => mkdtemp(join(tmpdir(), "task-exec-chaos-"))),
    (dir) => Effect.promise(() => rm(dir, { recursive: true }))
  )
  const built = join(import.meta.dirname, "..", "..", "dist", "task-exec.cjs")
  const taskExec = join(folder, "task-exec.cjs")
  yield* Effect.tryPromise({
    try: () => copyFile(built, taskExec),
    catch: () => new Unhealthy({ detail: `${built} is missing: build it (npm run build)` })
  })
  return taskExec
})

/** Builds our image on the first manager, and pushes it to the swarm's registry. */
const builtImage = Effect.fnUntraced(function* ({ manager, registry }: SwarmClusterShape) {
  const endpoint = { _tag: "Unix", path: manager.socket } as const
  return (yield* buildImage({ endpoint, ref: `${registry}/task-exec:chaos`, base: "scratch", push: true })).ref
})

/** Publishes our image in the registry of a swarm. Returns its name. */
export type PublishImage<E> = (cluster: SwarmClusterShape) => Effect.Effect<string, E>

/** Sets up the swarm. Everything is removed with it. */
const makeStage = Effect.fn("Stage.make")(function* <E>(publish: PublishImage<E>) {
  const cluster = yield* SwarmCluster
  const { manager } = cluster
  const taskExec = yield* copyOfProgram
  const image = yield* publish(cluster)
  yield* createService(manager.socket, {
    name: service,
    image: cluster.image,
    command: echoServer,
    replicas: "global",
    restartDelay: 500,
    constraints: managers.slice(1).map((name) => `node.hostname!=${name}`),
    containerSpec: { Mounts: [{ Type: "volume", Source: recordVolume, Target: recordFolder }] }
  })
  const stage: Stage = { cluster, service, image, agents: [], taskExec }
  yield* recover(stage)
  return stage
})

/** The stage on its own swarm, which is started and stopped with it. */
export class ChaosStage extends Context.Service<ChaosStage, Stage>()("task-exec/test/ChaosStage") {
  static readonly layerWith = <E>(publish: PublishImage<E>, options: ClusterOptions = {}) =>
    Layer.effect(ChaosStage, makeStage(publish)).pipe(
      Layer.provide(
        SwarmCluster.layer({ ...options, nodes: managers.length + workers.length, managers: managers.length })
      )
    )

  /** The stage whose swarm, with these engines, builds the helper image. */
  static readonly layerOn = (engine: ClusterOptions) => ChaosStage.layerWith(builtImage, engine)
}

/** Runs `task-exec agent` until it succeeds. `up` also replaces killed agents. */
const order = Effect.fnUntraced(function* ({ cluster, image, taskExec }: Stage, word: "up" | "down") {
  const caller = yield* startCaller(
    [process.execPath, taskExec, "agent", word],
    callerEnv(cluster.manager.dockerHost, image)
  )
  const { code } = yield* caller.ended
  return code === 0 ? [] : [caller.stderr().trim()]
}, Effect.scoped)

/** IDs of the agents' running containers. */
const agentsOf = ({ cluster }: Stage) =>
  Effect.map(Effect.forEach(cluster.nodes, agentContainers, { concurrency: "unbounded" }), (found) =>
    found.flat().map(({ Id }) => Id)
  )

/** Deploys agents, or replaces those that do not work. */
const deployAgents = Effect.fnUntraced(function* (stage: Stage) {
  const up = Effect.gen(function* () {
    const problems = yield* order(stage, "up")
    if (problems.length === 0) stage.agents = yield* agentsOf(stage)
    return problems
  })
  yield* untilHealthy(up, agentsTimeout)
})

/** Deploys or removes agents unless the stage is in that state. */
export const setAgents = Effect.fn("Stage.setAgents")(function* (stage: Stage, wanted: boolean) {
  if (stage.agents.length > 0 === wanted) return
  if (wanted) return yield* deployAgents(stage)
  yield* untilHealthy(order(stage, "down"), agentsTimeout)
  stage.agents = []
  yield* untilHealthy(agentObjects(stage.cluster), agentsTimeout)
})

/** How long the deployment or removal of agents may take, in milliseconds. */
const agentsTimeout = 120_000

const words = (all: ReadonlyArray<string>) => all.join(", ")

/** The problems of the swarm, as this manager sees it. */
const complaints = Effect.fnUntraced(function* (cluster: SwarmClusterShape, manager: ClusterNode) {
  const seen = yield* nodesSeenBy(manager)
  const nameOf = (id: string) => cluster.nodes.find(({ nodeId }) => nodeId === id)?.name ?? id
  const bad = seen.flatMap(({ ID, ManagerStatus, Spec, Status }) =>
    Status.State === "ready" &&
    Spec.Availability === "active" &&
    (ManagerStatus?.Reachability ?? "reachable") === "reachable"
      ? []
      : [
          `${manager.name} sees ${nameOf(ID)} as ${Status.State}, ${Spec.Availability}, ${ManagerStatus?.Reachability ?? "a worker"}`
        ]
  )
  const leaders = seen.filter(({ ManagerStatus }) => ManagerStatus?.Leader === true).length
  return leaders === 1 ? bad : [...bad, `${manager.name} sees ${leaders} leaders`]
})

/** Polls until there is no problem. An error counts as a problem. */
const untilHealthy = <E extends { readonly message: string }>(
  look: Effect.Effect<ReadonlyArray<string>, E>,
  atMost: number
): Effect.Effect<void, Unhealthy> => {
  let last: ReadonlyArray<string> = []
  const fine = Effect.match(look, {
    onSuccess: (wrong) => {
      last = wrong
      return wrong.length === 0 ? Option.some(undefined) : Option.none()
    },
    onFailure: ({ message }) => {
      last = [message]
      return Option.none()
    }
  })
  const orElse = Effect.suspend(() => Effect.fail(new Unhealthy({ detail: words(last) })))
  return poll(fine, { every: 250, atMost, orElse })
}

/** The tasks that are targets of the runs, one per target node. */
export const tasksOf = ({ cluster, service: name }: Stage) =>
  waitRunning(cluster.manager.socket, name, targets.length, 20_000)

/** The node of a task. */
export const nodeOf = ({ cluster }: Stage, task: RunningTask): ClusterNode =>
  cluster.nodes.find(({ nodeId }) => nodeId === task.nodeId) ?? cluster.manager

/**
 * Starts stopped processes, connects disconnected nodes, and waits until every manager sees every node ready and the tasks of the service
 * run. Fails after about eight minutes.
 */
export const recover = Effect.fn("Stage.recover")(function* (stage: Stage): Effect.fn.Return<void, Unhealthy> {
  const { cluster } = stage
  const unhealthy = (error: { readonly message: string }) => new Unhealthy({ detail: error.message })
  yield* Effect.forEach(cluster.nodes, (node) => Effect.andThen(cluster.link(node, "up"), cluster.startEngine(node)), {
    concurrency: "unbounded",
    discard: true
  }).pipe(Effect.mapError(unhealthy))
  yield* untilHealthy(
    Effect.gen(function* () {
      for (const node of yield* drainedNodes(cluster)) yield* setAvailability(cluster, node, "active")
      return (yield* Effect.forEach(managersOf(cluster), (manager) => complaints(cluster, manager))).flat()
    }),
    240_000
  )
  yield* untilHealthy(
    Effect.gen(function* () {
      const tasks = yield* tasksOf(stage)
      const ends = yield* Effect.forEach(
        tasks,
        (task) => execIn(nodeOf(stage, task).socket, task.containerId, ["true"]),
        { concurrency: "unbounded" }
      )
      return ends.flatMap(({ exitCode }, at) =>
        exitCode === 0 ? [] : [`true ends with ${exitCode} in task ${tasks[at]?.id}`]
      )
    }),
    240_000
  )
  if (stage.agents.length === 0) return
  const agents = yield* Effect.orElseSucceed(agentsOf(stage), (): ReadonlyArray<string> => [])
  // An agent that has failed has another container, or none.
  if (!stage.agents.every((id) => agents.includes(id))) yield* deployAgents(stage)
})
