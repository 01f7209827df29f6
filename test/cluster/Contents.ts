/**
 * Everything in a swarm that a new swarm does not have, created by task-exec or not. A test file must leave none of it, because the next
 * file uses the same swarm.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { enginePids } from "./Engine.ts"
import { get, remove, request } from "./EngineApi.ts"
import { LeftBehind } from "./Leftovers.ts"
import { poll } from "./Poll.ts"
import type { ClusterNode, SwarmClusterShape } from "./SwarmCluster.ts"

/** An object in a swarm. */
export interface Content {
  /** Does not change while the object exists. */
  readonly id: string
  /** Its description in messages. */
  readonly text: string
  /** Removes it. */
  readonly clear: Effect.Effect<unknown, { readonly message: string }>
}

/** The networks that engines create for themselves. */
const builtIn: ReadonlySet<string> = new Set(["bridge", "docker_gwbridge", "host", "ingress", "none"])

const Labels = Schema.NullOr(Schema.Record(Schema.String, Schema.String)).pipe(
  Schema.withDecodingDefaultKey(Effect.succeed(null))
)
const SwarmObjects = Schema.Array(Schema.Struct({ ID: Schema.String, Spec: Schema.Struct({ Name: Schema.String }) }))
const Networks = Schema.Array(Schema.Struct({ Name: Schema.String, Id: Schema.String, Scope: Schema.String }))
const Containers = Schema.Array(Schema.Struct({ Id: Schema.String, Names: Schema.Array(Schema.String), Labels }))
const Volumes = Schema.Struct({ Volumes: Schema.NullOr(Schema.Array(Schema.Struct({ Name: Schema.String }))) })
const NodeState = Schema.Struct({
  ID: Schema.String,
  Version: Schema.Struct({ Index: Schema.Int }),
  Spec: Schema.StructWithRest(
    Schema.Struct({ Availability: Schema.String, Labels: Schema.Record(Schema.String, Schema.String) }),
    [Schema.Record(Schema.String, Schema.Unknown)]
  ),
  Status: Schema.Struct({ State: Schema.String })
})

const inSwarm = ({ manager }: SwarmClusterShape, kind: string, id: string, name: string): Content => ({
  id,
  text: `${kind} ${name} (${id})`,
  clear: remove(manager.socket, `/${kind}s/${id}`)
})

/** Services, secrets and configs. */
const objects = (cluster: SwarmClusterShape) =>
  Effect.forEach(["service", "secret", "config"] as const, (kind) =>
    Effect.map(get(cluster.manager.socket, `/${kind}s`, SwarmObjects), (all) =>
      all.map(({ ID, Spec }) => inSwarm(cluster, kind, ID, Spec.Name))
    )
  )

/** Networks of the swarm. Engine 20.10 may list one for half a minute after its removal. */
const networks = (cluster: SwarmClusterShape) =>
  Effect.map(get(cluster.manager.socket, "/networks", Networks), (all) =>
    all
      .filter(({ Name, Scope }) => Scope === "swarm" && !builtIn.has(Name))
      .map(({ Id, Name }) => inSwarm(cluster, "network", Id, Name))
  )

/** Labels, availability and state of the nodes. */
const ofNodes = Effect.fnUntraced(function* (cluster: SwarmClusterShape) {
  const { manager } = cluster
  const nodes = yield* get(manager.socket, "/nodes", Schema.Array(NodeState))
  return cluster.nodes.flatMap((node) => {
    const found = nodes.find(({ ID }) => ID === node.nodeId)
    const content = (what: string, clear: Content["clear"]) => [
      { id: `${node.name}: ${what}`, text: `node ${node.name}: ${what}`, clear }
    ]
    if (found === undefined) return content("is not in the swarm", Effect.fail(new Error("it can't join again")))
    const { Availability, Labels } = found.Spec
    return [
      ...(found.Status.State === "ready" ? [] : content(`is ${found.Status.State}`, revive(cluster, node))),
      ...(Availability === "active" ? [] : content(`is set to ${Availability}`, resetNode(cluster, node))),
      ...Object.entries(Labels).flatMap(([key, value]) =>
        content(`has the label ${key}=${value}`, resetNode(cluster, node))
      )
    ]
  })
})

const resetNode = Effect.fnUntraced(function* ({ manager }: SwarmClusterShape, { nodeId }: ClusterNode) {
  const { Spec, Version } = yield* get(manager.socket, `/nodes/${nodeId}`, NodeState)
  const query = { version: String(Version.Index) }
  const body = { ...Spec, Labels: {}, Availability: "active" }
  yield* request(manager.socket, "POST", `/nodes/${nodeId}/update`, { query, body })
})

/** Connects a node and starts its engine. */
const revive = Effect.fnUntraced(function* ({ link, startEngine }: SwarmClusterShape, node: ClusterNode) {
  yield* link(node, "up")
  if ((yield* enginePids(node.pid)).length === 0) yield* startEngine(node)
})

/**
 * Containers, volumes and local networks of a node. Containers of services are not counted, because Swarm removes them shortly after their
 * services. Those of agents are, because an agent may run for up to a day longer.
 */
const onNode = Effect.fnUntraced(function* ({ name, socket }: ClusterNode) {
  const content = (kind: string, id: string, text: string, path: string): Content => ({
    id: `${name}/${id}`,
    text: `${kind} ${text} on ${name}`,
    clear: remove(socket, path)
  })
  const isService = (labels: typeof Labels.Type) =>
    labels?.["com.docker.swarm.service.id"] !== undefined && labels["task-exec.agent"] === undefined
  const containers = yield* get(socket, "/containers/json", Containers, { query: { all: "true" } })
  const local = yield* get(socket, "/networks", Networks)
  const { Volumes: volumes } = yield* get(socket, "/volumes", Volumes)
  return [
    ...containers
      .filter(({ Labels }) => !isService(Labels))
      .map(({ Id, Names }) => content("container", Id, Names.join(" "), `/containers/${Id}?force=true`)),
    ...(volumes ?? []).map(({ Name }) => content("volume", Name, Name, `/volumes/${Name}`)),
    ...local
      .filter(({ Name, Scope }) => Scope === "local" && !builtIn.has(Name))
      .map(({ Id, Name }) => content("network", Id, Name, `/networks/${Id}`))
  ]
})

/** Objects that are gone as soon as their removal returns. */
const lasting = (cluster: SwarmClusterShape) =>
  Effect.map(Effect.all([objects(cluster), ofNodes(cluster)]), ([all, nodes]) => [...all.flat(), ...nodes])

/** Objects that may still be in removal. */
const fleeting = (cluster: SwarmClusterShape) =>
  Effect.map(Effect.all([networks(cluster), ...cluster.nodes.map(onNode)], { concurrency: "unbounded" }), (all) =>
    all.flat()
  )

/** Everything in a swarm that a new swarm does not have. Empty if the swarm is as it was created. */
export const contentsOf = Effect.fn("Contents.contentsOf")(function* (cluster: SwarmClusterShape) {
  return [...(yield* lasting(cluster)), ...(yield* fleeting(cluster))]
})

/** How long containers, volumes and networks may take to be removed, in milliseconds. Also the limit for removing everything. */
const removalTimeout = 90_000

/** Removes everything except `kept`. Returns what remains. Some objects can be removed only after others. */
export const clearContents = Effect.fn("Contents.clear")(function* (
  cluster: SwarmClusterShape,
  kept: ReadonlyArray<Content> = []
) {
  const rest = Effect.map(contentsOf(cluster), (all) => besides(all, kept))
  const pass = Effect.gen(function* () {
    const left = yield* rest
    yield* Effect.forEach(left, ({ clear }) => Effect.ignore(clear), { discard: true })
    return left.length === 0 ? Option.some(left) : Option.none()
  })
  return yield* poll(pass, { every: 200, atMost: removalTimeout, orElse: rest })
})

const besides = (all: ReadonlyArray<Content>, kept: ReadonlyArray<Content>): ReadonlyArray<Content> =>
  all.filter(({ id }) => !kept.some((one) => one.id === id))

/** Removes everything except `kept`, and fails with the list of what it found. */
export const assertContents = Effect.fn("Contents.assert")(function* (
  cluster: SwarmClusterShape,
  kept: ReadonlyArray<Content>
) {
  const left = besides(yield* lasting(cluster), kept)
  const rest = Effect.map(fleeting(cluster), (all) => besides(all, kept))
  const gone = Effect.map(rest, (all) => (all.length === 0 ? Option.some(all) : Option.none()))
  // Objects that last may use the others. Waiting is useless then.
  const stayed = yield* poll(gone, { every: 250, atMost: left.length > 0 ? 0 : removalTimeout, orElse: rest })
  const all = [...left, ...stayed]
  if (all.length === 0) return
  const held = yield* clearContents(cluster, kept)
  return yield* new LeftBehind({
    items: all.map(({ id, text }) => (held.some((one) => one.id === id) ? `${text}, which can't be removed` : text))
  })
})
