/** The stage of all measures: the swarm, our image in its registry, and a service with one task on each node. */
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { buildImage } from "../adapters/image/Image.ts"
import { get } from "../test/cluster/EngineApi.ts"
import { type RunningTask, service as serviceOf, waitRunning } from "../test/cluster/Services.ts"
import { type ClusterNode, SwarmCluster, type SwarmClusterShape } from "../test/cluster/SwarmCluster.ts"

/** The tasks of the service are not on the expected nodes. */
export class NotSpread extends Schema.TaggedError<NotSpread>()("NotSpread", { service: Schema.String }) {
  override get message(): string {
    return `the tasks of the service ${this.service} are not one on each node`
  }
}

/** A task and its node. */
export interface TaskOnNode {
  /** `web.2` */
  readonly target: string
  readonly taskId: string
  readonly container: string
  readonly node: ClusterNode
}

/** The stage of the measures. */
export interface Stage {
  readonly cluster: SwarmClusterShape
  readonly manager: ClusterNode
  /** All nodes. */
  readonly nodes: ReadonlyArray<ClusterNode>
  /** The swarm's image registry, `HOST:PORT`. */
  readonly registry: string
  /** Folder with the write-ahead log of the manager's store. */
  readonly log: string
  /** Our image, by tag. */
  readonly image: string
  /** Our image, by digest. */
  readonly pinned: string
  /** An image with busybox, by digest. */
  readonly busybox: string
  /** The name of the service. */
  readonly web: string
  /** A task on the manager, whose engine is the connected engine. */
  readonly local: TaskOnNode
  /** A task on another node. */
  readonly remote: TaskOnNode
}

const Image = Schema.Struct({ RepoDigests: Schema.Array(Schema.String) })

const service = "web"

/** Creates the stage in the swarm. The service is removed with the scope, and the image with the swarm. */
export const makeStage = Effect.fn("Stage.make")(function* () {
  const cluster = yield* SwarmCluster
  const { dir, image: busybox, manager, nodes, registry } = cluster
  const build = buildImage({
    endpoint: { _tag: "Unix", path: manager.socket },
    ref: `${registry}/task-exec:bench`,
    base: "scratch",
    push: true
  })
  const start = Effect.andThen(
    serviceOf(manager.socket, { name: service, image: busybox, replicas: nodes.length }),
    waitRunning(manager.socket, service, nodes.length)
  )
  const [{ pinned = "", ref }, tasks] = yield* Effect.all([build, start], { concurrency: 2 })
  const { RepoDigests } = yield* get(manager.socket, `/images/${busybox}/json`, Image)
  const [busyboxByDigest] = RepoDigests
  const onNode = (task: RunningTask | undefined): Effect.Effect<TaskOnNode, NotSpread> => {
    const node = nodes.find(({ nodeId }) => nodeId === task?.nodeId)
    if (task === undefined || node === undefined) return Effect.fail(new NotSpread({ service }))
    return Effect.succeed({
      target: `${service}.${task.slot}`,
      taskId: task.id,
      container: task.containerId,
      node
    })
  }
  const stage: Stage = {
    cluster,
    manager,
    nodes,
    registry,
    log: join(dir, manager.name, "docker", "swarm", "raft", "wal-v3-encrypted"),
    image: ref,
    pinned,
    web: service,
    busybox: busyboxByDigest ?? busybox,
    local: yield* onNode(tasks.find(({ nodeId }) => nodeId === manager.nodeId)),
    remote: yield* onNode(tasks.find(({ nodeId }) => nodeId !== manager.nodeId))
  }
  return stage
})
