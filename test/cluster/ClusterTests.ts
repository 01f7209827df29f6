/** What the tests of clusters share: waits, pings, the nodes of a swarm. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { ClusterNode } from "./SwarmCluster.ts"

class TimeUp extends Schema.TaggedError<TimeUp>()("TimeUp", { what: Schema.String }) {
  override get message(): string {
    return `waited in vain: ${this.what}`
  }
}

/** Options of a poll that fails with `what`. */
export const within = (atMost: number, what: string) => ({
  every: 20,
  atMost,
  orElse: Effect.fail(new TimeUp({ what }))
})

/** Pings once from inside a node. Returns whether a response arrived. */
export const reaches = (node: ClusterNode, address: string) =>
  Effect.match(node.exec(["busybox", "ping", "-c", "1", "-W", "1", address]), {
    onFailure: () => false,
    onSuccess: () => true
  })

/** The nodes of a swarm, as its manager lists them. */
export const Nodes = Schema.Array(
  Schema.Struct({
    Description: Schema.Struct({ Hostname: Schema.String }),
    Spec: Schema.Struct({ Role: Schema.String }),
    Status: Schema.Struct({ State: Schema.String })
  })
)
