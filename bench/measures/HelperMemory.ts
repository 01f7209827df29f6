/** The memory of helpers and agents, from `/proc` on their nodes. */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import { get } from "../../test/cluster/EngineApi.ts"
import type { ClusterNode } from "../../test/cluster/SwarmCluster.ts"

/** No running helper was found. */
export class NoHelperSeen extends Schema.TaggedError<NoHelperSeen>()("NoHelperSeen", { node: Schema.String }) {
  override get message(): string {
    return `no helper was seen on ${this.node}: was the command too short?`
  }
}

const Containers = Schema.Array(Schema.Struct({ Id: Schema.String }))
const Inspected = Schema.Struct({ State: Schema.Struct({ Pid: Schema.Int }) })

/** Memory of a process in bytes, by the names of `/proc/PID/status`. */
const memoryOf = ({ exec }: ClusterNode, pid: number) =>
  Effect.map(
    exec(["cat", `/proc/${pid}/status`]),
    (status) =>
      (name: "VmHWM" | "VmRSS" | "RssAnon"): number =>
        Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(status)?.[1] ?? 0) * 1024
  )

/** The memory of the first process in each running container of a node that has the label. */
export const memoryIn = Effect.fnUntraced(function* (node: ClusterNode, label: string) {
  const query = { filters: JSON.stringify({ label: [label] }) }
  const containers = yield* get(node.socket, "/containers/json", Containers, { query })
  return yield* Effect.forEach(containers, ({ Id }) =>
    Effect.flatMap(get(node.socket, `/containers/${Id}/json`, Inspected), ({ State }) => memoryOf(node, State.Pid))
  )
})

/** Polls the memory of every helper on the node several times per second until the scope closes. */
export const watchHelper = Effect.fnUntraced(function* (node: ClusterNode) {
  let most = 0
  const look = Effect.map(memoryIn(node, "task-exec.role=helper"), (helpers) => {
    for (const helper of helpers) most = Math.max(most, helper("VmHWM"))
  })
  // A helper may end between two requests.
  yield* Effect.forkScoped(Effect.repeat(Effect.ignore(look), Schedule.spaced("200 millis")))
  /** The highest memory of any helper so far, in bytes. */
  const peak = Effect.suspend(() =>
    most === 0 ? Effect.fail(new NoHelperSeen({ node: node.name })) : Effect.succeed(most)
  )
  return { peak }
})
