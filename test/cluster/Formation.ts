/** Forms a swarm of engines. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { Role } from "./ClusterState.ts"
import { get, post, request } from "./EngineApi.ts"
import { pollUntil } from "./Poll.ts"

/** Some nodes did not become ready. */
export class SwarmNotReady extends Schema.TaggedError<SwarmNotReady>()("SwarmNotReady", {
  expected: Schema.Int,
  nodes: Schema.Array(Schema.String)
}) {
  override get message(): string {
    return `the swarm has not ${this.expected} ready nodes after 120 s: ${this.nodes.join(", ") || "none"}`
  }
}

/** The address and token for joining. */
export interface JoinInfo {
  readonly address: string
  readonly tokens: Readonly<Record<Role, string>>
}

const SwarmInfo = Schema.Struct({ JoinTokens: Schema.Struct({ Manager: Schema.String, Worker: Schema.String }) })
const Info = Schema.Struct({ Swarm: Schema.Struct({ NodeID: Schema.String }) })
const Nodes = Schema.Array(
  Schema.Struct({
    Description: Schema.Struct({ Hostname: Schema.optionalKey(Schema.String) }),
    Status: Schema.Struct({ State: Schema.String })
  })
)

const listen = (address: string) => ({ ListenAddr: `${address}:2377`, AdvertiseAddr: `${address}:2377` })

/** Initializes a swarm. The engine becomes its first manager. */
export const initSwarm = Effect.fn("Formation.init")(function* (socket: string, address: string) {
  yield* post(socket, "/swarm/init", Schema.String, { body: listen(address) })
  const { JoinTokens } = yield* get(socket, "/swarm", SwarmInfo)
  const joinInfo: JoinInfo = { address, tokens: { manager: JoinTokens.Manager, worker: JoinTokens.Worker } }
  return joinInfo
})

/** Joins the engine to the swarm. */
export const joinSwarm = Effect.fn("Formation.join")(function* (
  socket: string,
  address: string,
  role: Role,
  joinInfo: JoinInfo
) {
  yield* request(socket, "POST", "/swarm/join", {
    body: { ...listen(address), RemoteAddrs: [`${joinInfo.address}:2377`], JoinToken: joinInfo.tokens[role] }
  })
})

/** The node ID of an engine. */
export const nodeIdOf = (socket: string) => Effect.map(get(socket, "/info", Info), (info) => info.Swarm.NodeID)

/** Waits until the manager sees this number of ready nodes. */
export const awaitReady = Effect.fn("Formation.awaitReady")(function* (socket: string, expected: number) {
  const nodes = get(socket, "/nodes", Nodes)
  const ready = Effect.map(nodes, (all) => all.filter((node) => node.Status.State === "ready").length === expected)
  const failure = Effect.flatMap(nodes, (all) =>
    Effect.fail(
      new SwarmNotReady({
        expected,
        nodes: all.map((node) => `${node.Description.Hostname ?? "(nameless)"} ${node.Status.State}`)
      })
    )
  )
  yield* pollUntil(ready, { atMost: 120_000, orElse: failure })
})
