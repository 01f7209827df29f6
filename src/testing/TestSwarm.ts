/** A simulated swarm with given tasks. The library's own lookup runs on it. */
import { createHash } from "node:crypto"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { DockerEngine, type DockerEngineShape } from "../engine/DockerEngine.ts"
import { EngineError } from "../engine/EngineErrors.ts"
import * as Api from "../engine/EngineSchemas.ts"
import type * as Bodies from "../engine/RequestBodies.ts"
import { Swarm } from "../engine/Swarm.ts"
import type { Filters } from "../engine/SwarmRequests.ts"
import * as SwarmApi from "../engine/SwarmSchemas.ts"
import { parseTarget, type Target } from "../target/Target.ts"

/**
 * A task of the simulated swarm.
 *
 * @category testing
 * @since 0.1.0
 */
export interface TestTask {
  /** `web.2`, or `agent@node-3` for a task of a global service. */
  readonly name: string
  /** Host name of the task's node; default `node-1`, the node of the connected engine. */
  readonly node?: string
  /** Swarm's state of the task; default `running`. */
  readonly state?: string
  /** Labels of the task's service. The labels of all tasks of a service are merged. */
  readonly labels?: Readonly<Record<string, string>>
}

/** The node of the connected engine. */
const localNode = "node-1"
const host = "test://swarm"
/** The length of Swarm's IDs. */
const idLength = 25

/** The objects of the simulated swarm. */
interface Tables {
  readonly nodes: ReadonlyArray<SwarmApi.Node>
  readonly services: ReadonlyArray<SwarmApi.Service>
  readonly tasks: ReadonlyArray<SwarmApi.Task>
}

/** Provides a swarm with these tasks. It answers only the requests of lookups, sweeps and one-off tasks. */
export const testSwarm = (tasks: ReadonlyArray<string | TestTask>): Layer.Layer<Swarm> => {
  const tables = tablesOf(tasks.map((task) => (typeof task === "string" ? { name: task } : task)))
  const inspect = <A extends { readonly ID: string }>(all: ReadonlyArray<A>, kind: string, id: string) => {
    const found = all.find(({ ID }) => ID === id)
    return found === undefined
      ? Effect.fail(new EngineError({ host, operation: `inspect ${kind}`, status: 404, text: `no ${kind} ${id}` }))
      : Effect.succeed(found)
  }
  /** The tasks of created services, by the service's name. */
  const created = new Map<string, SwarmApi.Task>()
  const info = Effect.succeed(
    decodeInfo({ Name: localNode, ServerVersion: "test", Swarm: { NodeID: idOf(localNode) } })
  )
  const engine = Layer.mock(DockerEngine)({ host, info, listContainers: () => Effect.succeed([]) })
  const mock = (engine: DockerEngineShape) =>
    Layer.mock(Swarm)({
      host,
      info,
      engine: Effect.succeed(engine),
      listNodes: () => Effect.succeed(tables.nodes),
      inspectNode: (id) => inspect(tables.nodes, "node", id),
      listServices: ({ id, name }) =>
        Effect.succeed(tables.services.filter(({ ID, Spec }) => begins(ID, id) && begins(Spec.Name, name))),
      inspectService: (word) => {
        const named = tables.services.find(({ ID, Spec }) => ID === word || Spec.Name === word)
        const [begun, other] = tables.services.filter(({ ID }) => ID.startsWith(word))
        return inspect(tables.services, "service", (named ?? (other === undefined ? begun : undefined))?.ID ?? word)
      },
      listTasks: (filters) =>
        Effect.sync(() => {
          const own = filters.service?.flatMap((name) => created.get(name) ?? []) ?? []
          return own.length > 0 ? own : tables.tasks.filter((task) => fits(task, filters))
        }),
      inspectTask: (id) => inspect(tables.tasks, "task", id),
      listSecrets: () => Effect.succeed([]),
      listNetworks: () => Effect.succeed([]),
      createSecret: ({ name }) => Effect.succeed(idOf(name)),
      inspectSecret: (id) => inspect([], "secret", id),
      removeSecret: () => Effect.void,
      createService: (spec) =>
        Effect.sync(() => {
          created.set(spec.Name, createdTask(spec, tables.nodes))
          return { id: idOf(spec.Name), warnings: [] }
        }),
      removeService: (name) => Effect.sync(() => void created.delete(name))
    })
  return Layer.unwrap(Effect.map(DockerEngine, mock)).pipe(Layer.provide(engine))
}

/** Whether a text starts with one of these prefixes, as in the filters of the API. Without prefixes, every text matches. */
const begins = (text: string, wanted: ReadonlyArray<string> | undefined): boolean =>
  wanted === undefined || wanted.some((word) => text.startsWith(word))

const fits = (task: SwarmApi.Task, { id, service, ...filters }: Filters): boolean =>
  begins(task.ID, id) &&
  begins(task.ServiceID, service) &&
  (filters["desired-state"]?.includes(task.DesiredState) ?? true)

const tablesOf = (all: ReadonlyArray<TestTask>): Tables => {
  const tasks = all.map(taskOf)
  const hostnames = new Set([localNode, ...tasks.map(({ node }) => node)])
  return {
    nodes: [...hostnames].map((name) =>
      decodeNode({
        ID: idOf(name),
        Version: { Index: 1 },
        Spec: { Role: name === localNode ? "manager" : "worker", Availability: "active" },
        Description: { Hostname: name },
        Status: { State: "ready", Addr: "" }
      })
    ),
    services: [...Map.groupBy(tasks, ({ service }) => service)].map(([name, own]) =>
      decodeService({
        ID: idOf(name),
        Version: { Index: 1 },
        Spec: { Name: name, Labels: Object.assign({}, ...own.map(({ labels }) => labels)), TaskTemplate: template }
      })
    ),
    tasks: tasks.map(({ node, slotOrNode, service, slot, state }) => {
      const id = idOf(`${service} ${slotOrNode}`)
      return decodeTask({
        ID: id,
        Version: { Index: 1 },
        Spec: template,
        ServiceID: idOf(service),
        ...(slot === undefined ? {} : { Slot: slot }),
        NodeID: idOf(node),
        Status: { State: state, Message: state, ContainerStatus: { ContainerID: hexOf(id) } },
        DesiredState: SwarmApi.isFinalTaskState(state) ? "shutdown" : "running"
      })
    })
  }
}

/**
 * Returns the running task of a created service. It runs on the node that a constraint names by its ID, or on the connected engine's node.
 */
const createdTask = (
  { Name, TaskTemplate }: Bodies.AnyServiceSpec,
  nodes: ReadonlyArray<SwarmApi.Node>
): SwarmApi.Task => {
  const constraints = JSON.stringify(TaskTemplate)
  const node = nodes.find(({ ID }) => constraints.includes(`node.id==${ID}`))
  return decodeTask({
    ID: idOf(Name),
    Version: { Index: 1 },
    Spec: template,
    ServiceID: idOf(Name),
    Slot: 1,
    NodeID: node?.ID ?? idOf(localNode),
    Status: { State: "running", Message: "started", ContainerStatus: { ContainerID: hexOf(Name) } },
    DesiredState: "running"
  })
}

const taskOf = ({ labels = {}, name, node = localNode, state = "running" }: TestTask) => {
  const target: Partial<Target & { readonly _tag: "Service" }> = Result.match(parseTarget(name), {
    onSuccess: (parsed) => (parsed._tag === "Service" ? parsed : {}),
    onFailure: () => ({})
  })
  const { service, slot } = target
  const slotOrNode = slot ?? target.node
  if (service === undefined || slotOrNode === undefined) {
    throw new Error(`${JSON.stringify(name)} names no task of a test's swarm: use SERVICE.SLOT or SERVICE@NODE`)
  }
  return { service, slot, slotOrNode, node: target.node ?? node, labels, state }
}

/** Returns the ID of the object with this name, in the form of Swarm's IDs. */
const idOf = (name: string): string =>
  BigInt(`0x1${hexOf(name)}`)
    .toString(36)
    .slice(0, idLength)

const hexOf = (name: string): string => createHash("sha256").update(name).digest("hex")

const decodeInfo = Schema.decodeSync(Api.Info)
const decodeNode = Schema.decodeSync(SwarmApi.Node)
const decodeService = Schema.decodeSync(SwarmApi.Service)
const decodeTask = Schema.decodeSync(SwarmApi.Task)

/** The spec of all services and tasks. It is equal for both, so no task is outdated. */
const template = decodeTask({ ID: "template", Spec: { ContainerSpec: { Image: "test" } } }).Spec
