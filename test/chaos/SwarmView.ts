/** The swarm as its managers and engines describe it, over the plain API with short timeouts. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { EngineApiError, get, request } from "../cluster/EngineApi.ts"
import type { ClusterNode, SwarmClusterShape } from "../cluster/SwarmCluster.ts"

const Nodes = Schema.Array(
  Schema.Struct({
    ID: Schema.String,
    Version: Schema.Struct({ Index: Schema.Int }),
    Spec: Schema.Record(Schema.String, Schema.Unknown),
    Status: Schema.Struct({ State: Schema.String }),
    ManagerStatus: Schema.optionalKey(
      Schema.Struct({ Leader: Schema.optionalKey(Schema.Boolean), Reachability: Schema.String })
    )
  })
)

/** A node as a manager sees it. */
export type SeenNode = (typeof Nodes.Type)[number]

/** How long an engine may be silent, in milliseconds. */
const requestTimeout = 5000

/** The swarm's nodes as this manager sees them. */
export const nodesSeenBy = (manager: ClusterNode): Effect.Effect<ReadonlyArray<SeenNode>, EngineApiError> =>
  get(manager.socket, "/nodes", Nodes, { timeout: requestTimeout })

/** The managers. */
export const managersOf = (cluster: SwarmClusterShape): ReadonlyArray<ClusterNode> =>
  cluster.nodes.filter(({ role }) => role === "manager")

/** Performs a request at the first manager at which it succeeds. */
export const atAnyManager = <A>(
  cluster: SwarmClusterShape,
  use: (manager: ClusterNode) => Effect.Effect<A, EngineApiError>
): Effect.Effect<A, EngineApiError> => Effect.firstSuccessOf(managersOf(cluster).map(use))

/** The leader of the managers. */
export const leaderOf = Effect.fnUntraced(function* (cluster: SwarmClusterShape) {
  const seen = yield* atAnyManager(cluster, nodesSeenBy)
  const id = seen.find(({ ManagerStatus }) => ManagerStatus?.Leader === true)?.ID
  return cluster.nodes.find(({ nodeId }) => nodeId === id)
})

/** The nodes that accept no tasks. */
export const drainedNodes = Effect.fnUntraced(function* (cluster: SwarmClusterShape) {
  const seen = yield* atAnyManager(cluster, nodesSeenBy)
  return cluster.nodes.filter(({ nodeId }) =>
    seen.some(({ ID, Spec }) => ID === nodeId && Spec.Availability !== "active")
  )
})

/** Sets a node's availability. */
export const setAvailability = (cluster: SwarmClusterShape, node: ClusterNode, availability: "active" | "drain") =>
  atAnyManager(cluster, (manager) =>
    Effect.gen(function* () {
      const seen = (yield* nodesSeenBy(manager)).find(({ ID }) => ID === node.nodeId)
      if (seen === undefined) {
        const detail = `${node.name} is not among the nodes`
        return yield* new EngineApiError({ socket: manager.socket, request: "GET /nodes", status: 200, detail })
      }
      if (seen.Spec.Availability === availability) return
      yield* request(manager.socket, "POST", `/nodes/${node.nodeId}/update`, {
        query: { version: String(seen.Version.Index) },
        body: { ...seen.Spec, Availability: availability },
        timeout: requestTimeout
      })
    })
  )

const Services = Schema.Array(Schema.Struct({ ID: Schema.String, Spec: Schema.Struct({ Name: Schema.String }) }))
const Containers = Schema.Array(Schema.Struct({ Id: Schema.String }))
const Labels = Schema.Record(Schema.String, Schema.String)
const LabelledSpecs = Schema.Array(Schema.Struct({ Spec: Schema.Struct({ Labels }) }))
const Named = Schema.Array(Schema.Struct({ Name: Schema.String }))
const Labelled = Schema.Array(Schema.Struct({ Labels }))

const runLabel = "task-exec.run"
const helpers = { filters: JSON.stringify({ label: { "task-exec.role=helper": true } }) }
const ours = { filters: JSON.stringify({ label: { [runLabel]: true } }) }

/** Services of helpers. */
export const helperServices = (cluster: SwarmClusterShape) =>
  atAnyManager(cluster, ({ socket }) => get(socket, "/services", Services, { query: helpers, timeout: requestTimeout }))

/** Names of our services, secrets and networks. */
export const swarmObjects = (cluster: SwarmClusterShape) =>
  atAnyManager(cluster, ({ socket }) =>
    Effect.gen(function* () {
      const services = yield* get(socket, "/services", Services, { query: ours, timeout: requestTimeout })
      const secrets = yield* get(socket, "/secrets", Services, { query: ours, timeout: requestTimeout })
      const networks = yield* get(socket, "/networks", Named, { query: ours, timeout: requestTimeout })
      return [
        ...networks.map(({ Name }) => ({ kind: "network", name: Name })),
        ...services.map(({ Spec }) => ({ kind: "service", name: Spec.Name })),
        ...secrets.map(({ Spec }) => ({ kind: "secret", name: Spec.Name }))
      ]
    })
  )

/** IDs of the runs that own any service, secret or network, or any container of a node. */
export const runIds = Effect.fnUntraced(function* (cluster: SwarmClusterShape) {
  const query = { ...ours, all: "true" }
  const specs = yield* atAnyManager(cluster, ({ socket }) =>
    Effect.forEach(["/services", "/secrets"], (path) => get(socket, path, LabelledSpecs, { query: ours }))
  )
  const networks = yield* atAnyManager(cluster, ({ socket }) => get(socket, "/networks", Labelled, { query: ours }))
  const containers = yield* Effect.forEach(
    cluster.nodes,
    ({ socket }) => get(socket, "/containers/json", Labelled, { query }),
    { concurrency: "unbounded" }
  )
  const labels = [
    ...specs.flat().map(({ Spec }) => Spec.Labels),
    ...[networks, ...containers].flat().map((one) => one.Labels)
  ]
  return [...new Set(labels.flatMap((all) => all[runLabel] ?? []))]
})

/** Running containers of a node with this label. */
const containersWith =
  (label: string) =>
  ({ socket }: ClusterNode) =>
    get(socket, "/containers/json", Containers, {
      query: { filters: JSON.stringify({ label: { [label]: true } }) },
      timeout: requestTimeout
    })

/** Containers of agents that run on a node. */
export const agentContainers = containersWith("task-exec.agent")

/** Containers of helpers that run on a node. */
export const helperContainers = containersWith("task-exec.role=helper")

/** Containers of one-off tasks that run on a node. */
export const oneOffContainers = containersWith("task-exec.role=one-off")
