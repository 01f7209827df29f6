/**
 * The leak check: everything that task-exec left in a cluster and on this machine.
 *
 * It uses the plain Engine API and /proc, and not the code of task-exec, so that a fault of task-exec cannot hide a leftover.
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

/** There are leftovers. */
export class LeftBehind extends Schema.TaggedError<LeftBehind>()("LeftBehind", { items: Schema.Array(Schema.String) }) {
  override get message(): string {
    return `left behind:\n${this.items.map((item) => `  ${item}`).join("\n")}`
  }
}

/** Prefix of the labels on everything that task-exec creates. */
const ours = "task-exec."

/** The label by which users say what task-exec may run. */
const theirs = "task-exec.allow"

/** Environment variable of the processes that task-exec starts. */
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

/** Label of agents, which stay on purpose. Tests that deploy agents check `agentObjects`. */
const resident = "task-exec.agent"

const isOurs = (labels: typeof Labels.Type): boolean => {
  const keys = Object.keys(labels ?? {})
  return !keys.includes(resident) && keys.some((key) => key.startsWith(ours) && key !== theirs)
}

/** A leftover. Its ID does not change while it is being removed. */
interface Left {
  readonly id: string
  readonly text: string
  /** Removes it. */
  readonly clear: Effect.Effect<void, EngineApiError>
}

/** Services, secrets, configs and networks, as a manager sees them. They are gone as soon as their removal returns. */
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

/** Containers of a node. Engines remove a service's containers some time after the service. */
const containersOn = ({ name, socket }: ClusterNode) =>
  Effect.map(get(socket, "/containers/json", Containers, { query: { all: "true" } }), (containers) =>
    containers
      .filter((one) => isOurs(one.Labels))
      .map(
        ({ Names, State, Id }): Left => ({
          id: Id,
          text: `container ${Names.join(" ")} (${Id.slice(0, 12)}, ${State}) on ${name}`,
          clear: remove(socket, `/containers/${Id}?force=true`)
        })
      )
  )

/** Volumes of a node. */
const volumesOn = ({ name, socket }: ClusterNode) =>
  Effect.map(get(socket, "/volumes", Volumes), (found) =>
    (found.Volumes ?? [])
      .filter((one) => isOurs(one.Labels))
      .map(
        (one): Left => ({
          id: `${name}/${one.Name}`,
          text: `volume ${one.Name} on ${name}`,
          clear: remove(socket, `/volumes/${one.Name}`)
        })
      )
  )

/** Whether a process runs in a container of the cluster. */
const isInside = (pid: number, cluster: SwarmClusterShape): boolean => {
  try {
    return readFileSync(`/proc/${pid}/cgroup`, "utf8").includes(`/${cgroupOf(cluster.dir)}/`)
  } catch {
    // The process has just ended.
    return false
  }
}

const kill = (pid: number): void => {
  try {
    process.kill(pid, "SIGKILL")
  } catch {
    // The process has just ended.
  }
}

/** Marked processes in the cluster, and those that this process started. Other processes on this machine belong to others. */
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

/** The running commands and helpers of task-exec on all nodes. */
export const runningCommands = (cluster: SwarmClusterShape): Effect.Effect<ReadonlyArray<string>> =>
  Effect.map(processes(cluster, new Set()), (found) => found.map(({ text }) => text))

/** Exceptions from the check. */
export interface LeftoverOptions {
  /** Processes that may exist. */
  readonly exclude?: ReadonlySet<number>
  /** How long containers and processes may take to end, in milliseconds. The default of 90,000 is for a busy machine. */
  readonly timeout?: number
}

/** Our services, secrets, configs and networks, as the first responding manager sees them. */
const lastingOf = ({ nodes }: SwarmClusterShape) =>
  Effect.firstSuccessOf(nodes.filter((node) => node.role === "manager").map((node) => inSwarm(node.socket)))

/** Our containers, volumes and processes, in parts. A look at all processes takes several milliseconds of CPU time, so it is the last one. */
const partsOf = (cluster: SwarmClusterShape, { exclude }: LeftoverOptions) => [
  ...cluster.nodes.map(containersOn),
  ...cluster.nodes.map(volumesOn),
  processes(cluster, exclude ?? new Set())
]

/** Our containers, volumes and processes. */
const fleetingOf = (cluster: SwarmClusterShape, options: LeftoverOptions) =>
  Effect.map(Effect.all(partsOf(cluster, options), { concurrency: "unbounded" }), (found) => found.flat())

/** Waits until these leftovers are gone. Looks at a part only when the parts before it are empty. Returns those that remain at the timeout. */
const awaitGone = Effect.fnUntraced(function* (
  cluster: SwarmClusterShape,
  options: LeftoverOptions,
  isMeant: (left: Left) => boolean = () => true
) {
  const areGone = Effect.gen(function* () {
    for (const part of partsOf(cluster, options))
      if ((yield* part).some(isMeant)) return Option.none<ReadonlyArray<Left>>()
    return Option.some<ReadonlyArray<Left>>([])
  })
  const rest = Effect.map(fleetingOf(cluster, options), (items) => items.filter(isMeant))
  return yield* poll(areGone, { every: 250, atMost: options.timeout ?? 90_000, orElse: rest })
})

/** The objects that last, and those that do not go away in time. */
const leftOf = Effect.fnUntraced(function* (cluster: SwarmClusterShape, options: LeftoverOptions) {
  const lasting = yield* lastingOf(cluster)
  // Objects that last may use the others. Waiting is useless then.
  const timeout = lasting.length > 0 ? { timeout: 0 } : {}
  return [...lasting, ...(yield* awaitGone(cluster, { ...options, ...timeout }))]
})

/**
 * Everything with the labels or marks of task-exec. Empty if there is no leftover.
 *
 * **Details**: services, secrets, configs and networks must be gone at once. Containers and processes may take a little longer.
 */
export const leftovers = Effect.fn("Leftovers.leftovers")(function* (
  cluster: SwarmClusterShape,
  options: LeftoverOptions = {}
): Effect.fn.Return<ReadonlyArray<string>, EngineApiError> {
  return (yield* leftOf(cluster, options)).map(({ text }) => text)
})

/** The limit for clearing, and the time without a new leftover after which it is complete, in milliseconds. */
const clearing = { atMost: 60_000, quiet: 2_000 }

/** Removes leftovers until none is found for a while. Returns those that remain. Some can be removed only after others. */
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

/**
 * Fails with these leftovers, if there are any, after it has cleared everything that `find` finds, so that the next test does not fail
 * because of them.
 */
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
 * Removes all leftovers of a cluster until no new ones appear. For the time after a failed test: a helper whose caller was killed may still
 * create a container.
 */
export const clearLeftovers = Effect.fn("Leftovers.clear")(function* (
  cluster: SwarmClusterShape,
  options: LeftoverOptions = {}
) {
  yield* clearAway(everythingOf(cluster, options))
})

/**
 * The leak check in two steps, so that the next test need not wait for the engines: checks at once what must be gone, and returns an effect
 * for the containers and processes that exist at this moment. It does not cover those that appear later.
 */
export const leftoversOfNow = Effect.fn("Leftovers.leftoversOfNow")(function* (
  cluster: SwarmClusterShape,
  options: LeftoverOptions = {}
) {
  yield* failIfAny(yield* lastingOf(cluster), everythingOf(cluster, options))
  const ids = new Set((yield* fleetingOf(cluster, options)).map(({ id }) => id))
  const isTheirs = ({ id }: Left) => ids.has(id)
  const theirs = Effect.map(fleetingOf(cluster, options), (items) => items.filter(isTheirs))
  const gone = ids.size === 0 ? Effect.succeed([]) : awaitGone(cluster, options, isTheirs)
  // The next test may run by then. Its objects are not touched.
  return Effect.flatMap(gone, (left) => failIfAny(left, theirs))
})

/** Descriptions of the processes that bear the mark of task-exec. */
export const markedProcesses = (cluster: SwarmClusterShape): Effect.Effect<ReadonlyArray<string>> =>
  Effect.map(processes(cluster, new Set()), (found) => found.map(({ text }) => text))

/** Fails with the list of leftovers, and removes them. */
export const assertNothingLeft = Effect.fn("Leftovers.assertNothingLeft")(function* (
  cluster: SwarmClusterShape,
  options: LeftoverOptions = {}
) {
  yield* failIfAny(yield* leftOf(cluster, options), everythingOf(cluster, options))
})

/** Services, secrets, configs, networks and containers of agents in the cluster. */
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
