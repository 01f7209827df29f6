/**
 * The leak check: what the product left in a cluster and on this machine.
 *
 * It looks with eyes of its own, the plain Engine API and /proc, so that the product can't hide anything from it.
 */

import { readFileSync } from "node:fs"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { cgroupOf } from "./Engine.ts"
import { type EngineApiError, get, remove } from "./EngineApi.ts"
import { poll } from "./Poll.ts"
import { ancestorsOf, withVariable } from "./Processes.ts"
import type { ClusterNode, SwarmClusterShape } from "./SwarmCluster.ts"

/** Something was left behind. */
export class LeftBehind extends Schema.TaggedError<LeftBehind>()("LeftBehind", { items: Schema.Array(Schema.String) }) {
  override get message(): string {
    return `left behind:\n${this.items.map((item) => `  ${item}`).join("\n")}`
  }
}

/** Labels of everything that the product makes begin with this. */
const ours = "task-exec."

/** The label that others put on theirs, to say what the product may run there. */
const theirs = "task-exec.allow"

/** The product marks the processes that it starts with this environment variable. */
const mark = "TASK_EXEC_RUN"

const Labels = Schema.NullOr(Schema.Record(Schema.String, Schema.String)).pipe(
  Schema.withDecodingDefaultKey(Effect.succeed(null))
)
const SwarmObjects = Schema.Array(
  Schema.Struct({ ID: Schema.String, Spec: Schema.Struct({ Name: Schema.String, Labels }) })
)
const Networks = Schema.Array(Schema.Struct({ Name: Schema.String, Id: Schema.String, Labels }))
const Containers = Schema.Array(
  Schema.Struct({ Id: Schema.String, Names: Schema.Array(Schema.String), State: Schema.String, Labels })
)
const Volumes = Schema.Struct({ Volumes: Schema.NullOr(Schema.Array(Schema.Struct({ Name: Schema.String, Labels }))) })

/** Agents are there because somebody wants them: those who deploy them look for what is left of them, see `agentObjects`. */
const resident = "task-exec.agent"

const isOurs = (labels: typeof Labels.Type): boolean => {
  const keys = Object.keys(labels ?? {})
  return !keys.includes(resident) && keys.some((key) => key.startsWith(ours) && key !== theirs)
}

/** Something of ours: its ID does not change while it goes away. */
interface Left {
  readonly id: string
  readonly text: string
  /** Takes it away. */
  readonly clear: Effect.Effect<void, EngineApiError>
}

/** Services, secrets, configs and networks, as a manager sees them: they are gone as soon as their removal returns. */
const inSwarm = Effect.fnUntraced(function* (manager: string) {
  const left = (kind: string, id: string, name: string): Left => ({
    id,
    text: `${kind} ${name} (${id})`,
    clear: remove(manager, `/${kind}s/${id}`)
  })
  const kinds = ["service", "secret", "config"] as const
  const objects = yield* Effect.forEach(kinds, (kind) =>
    Effect.map(get(manager, `/${kind}s`, SwarmObjects), (found) =>
      found.filter(({ Spec }) => isOurs(Spec.Labels)).map(({ ID, Spec }) => left(kind, ID, Spec.Name))
    )
  )
  const networks = yield* get(manager, "/networks", Networks)
  return [
    ...objects.flat(),
    ...networks.filter((one) => isOurs(one.Labels)).map(({ Name, Id }) => left("network", Id, Name))
  ]
})

/** Containers and volumes of a node: engines remove a service's containers some time after the service. */
const onNode = Effect.fnUntraced(function* ({ name, socket }: ClusterNode) {
  const containers = yield* get(socket, "/containers/json", Containers, { query: { all: "true" } })
  const { Volumes: volumes } = yield* get(socket, "/volumes", Volumes)
  return [
    ...containers
      .filter((one) => isOurs(one.Labels))
      .map(
        ({ Names, State, Id }): Left => ({
          id: Id,
          text: `container ${Names.join(" ")} (${Id.slice(0, 12)}, ${State}) on ${name}`,
          clear: remove(socket, `/containers/${Id}?force=true`)
        })
      ),
    ...(volumes ?? [])
      .filter((one) => isOurs(one.Labels))
      .map(
        (one): Left => ({
          id: `${name}/${one.Name}`,
          text: `volume ${one.Name} on ${name}`,
          clear: remove(socket, `/volumes/${one.Name}`)
        })
      )
  ]
})

/** Whether a process runs in a container of the cluster. */
const isInside = (pid: number, cluster: SwarmClusterShape): boolean => {
  try {
    return readFileSync(`/proc/${pid}/cgroup`, "utf8").includes(`/${cgroupOf(cluster.dir)}/`)
  } catch {
    // It ended just now.
    return false
  }
}

const kill = (pid: number): void => {
  try {
    process.kill(pid, "SIGKILL")
  } catch {
    // It ended just now.
  }
}

/** Marked processes in the cluster, and those that this process started: what others on this machine do is theirs. */
const processes = Effect.fnUntraced(function* (cluster: SwarmClusterShape, exclude: ReadonlySet<number>) {
  const marked = (yield* withVariable(mark)).filter(({ pid, value }) => value !== "" && !exclude.has(pid))
  const inherited = process.env[mark]
  const ours = yield* Effect.filter(marked, ({ pid, value }) =>
    isInside(pid, cluster)
      ? Effect.succeed(true)
      : Effect.map(ancestorsOf(pid), (above) => value !== inherited && above.includes(process.pid))
  )
  return ours.map(
    ({ pid, name, value }): Left => ({
      id: `${pid}/${value}`,
      text: `process ${pid} (${name}) with ${mark}=${value}`,
      clear: Effect.sync(() => kill(pid))
    })
  )
})

/** Exceptions from the check. */
export interface LeftoverOptions {
  /** Processes that are meant to be there. */
  readonly exclude?: ReadonlySet<number>
  /** Milliseconds that containers and processes have to go away: 90,000 unless told, as others may keep the machine busy. */
  readonly patience?: number
}

/** Services, secrets, configs and networks of ours, as the first manager that answers sees them. */
const lastingOf = ({ nodes }: SwarmClusterShape) =>
  Effect.firstSuccessOf(nodes.filter((node) => node.role === "manager").map((node) => inSwarm(node.socket)))

/** Containers, volumes and processes of ours. */
const fleetingOf = Effect.fnUntraced(function* (cluster: SwarmClusterShape, { exclude }: LeftoverOptions) {
  const nodes = yield* Effect.forEach(cluster.nodes, onNode, { concurrency: "unbounded" })
  return [...nodes.flat(), ...(yield* processes(cluster, exclude ?? new Set()))]
})

/** Waits until those are gone; gives those that are still there when the patience ends. */
const awaitGone = Effect.fnUntraced(function* (
  find: Effect.Effect<ReadonlyArray<Left>, EngineApiError>,
  { patience = 90_000 }: LeftoverOptions
) {
  const gone = Effect.map(find, (items) => (items.length === 0 ? Option.some(items) : Option.none()))
  return yield* poll(gone, { every: 250, atMost: patience, orElse: find })
})

/** What lasts, and what does not go away in time. */
const leftOf = Effect.fnUntraced(function* (cluster: SwarmClusterShape, options: LeftoverOptions) {
  const lasting = yield* lastingOf(cluster)
  // What lasts may be what holds the rest: then there is nothing to wait for.
  const patience = lasting.length > 0 ? { patience: 0 } : {}
  return [...lasting, ...(yield* awaitGone(fleetingOf(cluster, options), { ...options, ...patience }))]
})

/**
 * Everything that bears the product's labels or marks; empty when all is well.
 *
 * **Details**
 *
 * Services, secrets, configs and networks must be gone at once. Containers and processes go a little later, so those
 * are waited for.
 */
export const leftovers = Effect.fn("Leftovers.leftovers")(function* (
  cluster: SwarmClusterShape,
  options: LeftoverOptions = {}
): Effect.fn.Return<ReadonlyArray<string>, EngineApiError> {
  return (yield* leftOf(cluster, options)).map(({ text }) => text)
})

/** Milliseconds that clearing away may take, and for which nothing must come before it is done. */
const clearing = { atMost: 60_000, quiet: 2_000 }

/** Takes away what is found until nothing is found for a while; gives what stays. Some can't go before others have. */
const clearAway = Effect.fnUntraced(function* (find: Effect.Effect<ReadonlyArray<Left>, EngineApiError>) {
  let quietSince: number | undefined
  const pass = Effect.gen(function* () {
    const found = yield* find
    yield* Effect.forEach(found, ({ clear }) => Effect.ignore(clear), { discard: true })
    const now = yield* Clock.currentTimeMillis
    quietSince = found.length > 0 ? undefined : (quietSince ?? now)
    return quietSince !== undefined && now - quietSince >= clearing.quiet ? Option.some(found) : Option.none()
  })
  return yield* poll(pass, { every: 200, atMost: clearing.atMost, orElse: find })
})

/** Fails with the items, if there are any, once what `find` finds is taken away: the leftovers of a test are not those of the next one. */
const failIfAny = Effect.fnUntraced(function* (
  items: ReadonlyArray<Left>,
  find: Effect.Effect<ReadonlyArray<Left>, EngineApiError>
) {
  if (items.length === 0) return
  const stay = new Set((yield* clearAway(find)).map(({ id }) => id))
  return yield* new LeftBehind({
    items: items.map(({ id, text }) => (stay.has(id) ? `${text}, which can't be removed` : text))
  })
})

const everythingOf = (cluster: SwarmClusterShape, options: LeftoverOptions) =>
  Effect.map(Effect.all([lastingOf(cluster), fleetingOf(cluster, options)]), (found) => found.flat())

/**
 * Takes away all that is left in a cluster, until nothing comes any more. For the time after a failed test: a helper whose caller
 * the test killed may be making a container at that moment, which would be a leftover of the next test.
 */
export const clearLeftovers = Effect.fn("Leftovers.clear")(function* (
  cluster: SwarmClusterShape,
  options: LeftoverOptions = {}
) {
  yield* clearAway(everythingOf(cluster, options))
})

/**
 * The same in two steps, so that the next test need not wait for the engines: at once what must be gone by now, and an
 * effect for the containers and processes that are there at this moment. Of what comes later it knows nothing.
 */
export const leftoversOfNow = Effect.fn("Leftovers.leftoversOfNow")(function* (
  cluster: SwarmClusterShape,
  options: LeftoverOptions = {}
) {
  yield* failIfAny(yield* lastingOf(cluster), everythingOf(cluster, options))
  const ids = new Set((yield* fleetingOf(cluster, options)).map(({ id }) => id))
  const theirs = Effect.map(fleetingOf(cluster, options), (items) => items.filter(({ id }) => ids.has(id)))
  const gone = ids.size === 0 ? Effect.succeed([]) : awaitGone(theirs, options)
  // The next test may be at work by then: its things are not touched.
  return Effect.flatMap(gone, (left) => failIfAny(left, theirs))
})

/** Fails with the list of what was left, and takes it away. */
export const assertNothingLeft = Effect.fn("Leftovers.assertNothingLeft")(function* (
  cluster: SwarmClusterShape,
  options: LeftoverOptions = {}
) {
  yield* failIfAny(yield* leftOf(cluster, options), everythingOf(cluster, options))
})

/** Services, secrets, configs, networks and containers of agents that the cluster still has. */
export const agentObjects = Effect.fnUntraced(function* ({ manager, nodes }: SwarmClusterShape) {
  const query = { filters: JSON.stringify({ label: [resident] }) }
  const named = Schema.Array(Schema.Struct({ Spec: Schema.Struct({ Name: Schema.String }) }))
  const lists = yield* Effect.all([
    Effect.map(get(manager.socket, "/services", named, { query }), (all) => all.map(({ Spec }) => Spec.Name)),
    Effect.map(get(manager.socket, "/secrets", named, { query }), (all) => all.map(({ Spec }) => Spec.Name)),
    Effect.map(get(manager.socket, "/configs", named, { query }), (all) => all.map(({ Spec }) => Spec.Name)),
    Effect.map(get(manager.socket, "/networks", Networks, { query }), (all) => all.map(({ Name }) => Name)),
    ...nodes.map(({ socket }) =>
      Effect.map(get(socket, "/containers/json", Containers, { query: { ...query, all: "true" } }), (all) =>
        all.flatMap(({ Names }) => Names)
      )
    )
  ])
  return lists.flat()
})
