/** The status of a cluster, as text. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { get } from "./EngineApi.ts"
import type { ClusterNode, SwarmClusterShape } from "./SwarmCluster.ts"

const Version = Schema.Struct({ Version: Schema.String })
const Nodes = Schema.Array(
  Schema.Struct({
    ID: Schema.String,
    Spec: Schema.Struct({ Availability: Schema.optionalKey(Schema.String) }),
    Status: Schema.Struct({ State: Schema.String }),
    ManagerStatus: Schema.optionalKey(Schema.Struct({ Leader: Schema.optionalKey(Schema.Boolean) }))
  })
)

/** The nodes of the swarm, as the first responding manager sees them. */
const swarmView = (nodes: ReadonlyArray<ClusterNode>) =>
  Effect.firstSuccessOf(
    nodes.filter((node) => node.role === "manager").map((node) => get(node.socket, "/nodes", Nodes, { timeout: 5_000 }))
  ).pipe(Effect.option, Effect.map(Option.getOrElse(() => [])))

const head = ["NODE", "ROLE", "STATE", "ADDRESS", "ENGINE", "SOCKET"]

/** A line for each node, in columns. */
export const statusTable = Effect.fn("Status.table")(function* (cluster: SwarmClusterShape) {
  const view = yield* swarmView(cluster.nodes)
  const rows = yield* Effect.forEach(
    cluster.nodes,
    Effect.fnUntraced(function* (node) {
      const version = yield* Effect.option(get(node.socket, "/version", Version, { timeout: 5_000 }))
      const seen = view.find((one) => one.ID === node.nodeId)
      const availability = seen?.Spec.Availability ?? "active"
      const state = [seen?.Status.State ?? "unknown", ...(availability === "active" ? [] : [availability])].join(", ")
      return [
        node.name,
        seen?.ManagerStatus?.Leader === true ? "leader" : node.role,
        state,
        node.address,
        Option.match(version, { onNone: () => "does not answer", onSome: (found) => found.Version }),
        node.socket
      ]
    }),
    { concurrency: "unbounded" }
  )
  const table = [head, ...rows]
  const width = head.map((_, column) => Math.max(...table.map((row) => row[column]?.length ?? 0)))
  return table
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(width[column] ?? 0))
        .join("  ")
        .trimEnd()
    )
    .join("\n")
})

/** Shell lines that select the cluster for Docker clients and for this project's tools. */
export const exportLines = (cluster: SwarmClusterShape): string =>
  [
    `export DOCKER_HOST=${cluster.manager.dockerHost}`,
    `export TASK_EXEC_IMAGE=${cluster.registry}/task-exec:dev`,
    `export TASK_EXEC_CLUSTER=${cluster.dir}`,
    ...cluster.nodes.map((node) => `export ${node.name.toUpperCase().replace("-", "_")}_DOCKER_HOST=${node.dockerHost}`)
  ].join("\n")
