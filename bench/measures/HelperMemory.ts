/** How much memory the helpers on a node take, seen from outside. */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import { get } from "../../test/cluster/EngineApi.ts"
import type { ClusterNode } from "../../test/cluster/SwarmCluster.ts"

/** No helper was seen at work. */
export class NoHelperSeen extends Schema.TaggedError<NoHelperSeen>()("NoHelperSeen", { node: Schema.String }) {
  override get message(): string {
    return `no helper was seen on ${this.node}: was the command too short?`
  }
}

const Containers = Schema.Array(Schema.Struct({ Id: Schema.String }))
const Inspected = Schema.Struct({ State: Schema.Struct({ Pid: Schema.Int }) })
const helpers = { filters: JSON.stringify({ label: { "task-exec.role=helper": true } }) }

/** The most memory that a process of a node had so far, in bytes. */
const peakOf = ({ exec }: ClusterNode, pid: number) =>
  Effect.map(
    exec(["cat", `/proc/${pid}/status`]),
    (status) => Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024
  )

/** Looks at every helper on the node a few times a second, as long as the scope. */
export const watchHelper = Effect.fnUntraced(function* (node: ClusterNode) {
  let most = 0
  const look = Effect.gen(function* () {
    for (const { Id } of yield* get(node.socket, "/containers/json", Containers, { query: helpers })) {
      const { State } = yield* get(node.socket, `/containers/${Id}/json`, Inspected)
      most = Math.max(most, yield* peakOf(node, State.Pid))
    }
  })
  // A helper that goes away between two questions is none to look at.
  yield* Effect.forkScoped(Effect.repeat(Effect.ignore(look), Schedule.spaced("200 millis")))
  /** The most that any of them had so far, in bytes. */
  const peak = Effect.suspend(() =>
    most === 0 ? Effect.fail(new NoHelperSeen({ node: node.name })) : Effect.succeed(most)
  )
  return { peak }
})
