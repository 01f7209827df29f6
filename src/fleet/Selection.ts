/** Selects the tasks of a fan-out, with one request for each kind of object. */
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as Schema from "effect/Schema"
import type { SwarmFailure } from "../engine/EngineErrors.ts"
import { withHint } from "../engine/Hints.ts"
import { Swarm } from "../engine/Swarm.ts"
import type { Filters } from "../engine/SwarmRequests.ts"
import { type Node, type Service, type Task, wantedTasks } from "../engine/SwarmSchemas.ts"
import { UnreadObserver } from "../engine/UnreadObserver.ts"
import { roleOf } from "../Labels.ts"
import { ProtectedTarget } from "../policy/PolicyErrors.ts"
import { type LookupOptions, lookupLog, lookupTask } from "../target/Lookup.ts"
import type { LookupError } from "../target/LookupErrors.ts"
import { ownRole, type ResolvedTask, resolvedTask } from "../target/ResolvedTask.ts"
import { type InvalidTarget, parseTarget } from "../target/Target.ts"
import { isRunning, newestInEachSlot, newestWithContainer } from "../target/TaskState.ts"
import { type Amount, countOf } from "./Amount.ts"
import type { TaskFilter } from "./TaskFilter.ts"
import { byName } from "./TaskSet.ts"

/**
 * Conditions for the tasks of a fan-out. At least one of `services`, `targets`, `stack` and `node` is required.
 *
 * @category requests
 * @since 0.1.0
 */
export interface Selection {
  /** Every running task of these services (name, ID, or unique prefix of an ID). */
  readonly services?: ReadonlyArray<string>
  /** These tasks, each in the syntax of `Target`. */
  readonly targets?: ReadonlyArray<string>
  /** Every running task of the services of this stack. */
  readonly stack?: string
  /** Only tasks on this node (host name, node ID, or unique prefix of an ID). */
  readonly node?: string
  /** Only tasks that match all filters. */
  readonly filters?: ReadonlyArray<TaskFilter>
  /** One random task of those that match. */
  readonly any?: boolean
  /** At most this many of the matching tasks, in the order of their names. */
  readonly limit?: Amount
}

/**
 * No task matches.
 *
 * @category errors
 * @since 0.1.0
 */
export class NothingSelected extends Schema.TaggedError<NothingSelected>()("NothingSelected", {
  /** The conditions, and the reason why no task matches. */
  detail: Schema.String
}) {
  /** What failed, and why. */
  get summary(): string {
    return `no task selected: ${this.detail}`
  }

  /** The next step. */
  get hint(): string {
    return 'Run "task-exec ls" to list the tasks.'
  }

  override get message(): string {
    return withHint(this.summary, this.hint)
  }
}

/**
 * The errors of a selection.
 *
 * @category errors
 * @since 0.1.0
 */
export type SelectionError = NothingSelected | InvalidTarget | LookupError

/** The objects of the swarm from which tasks are selected. */
export interface Objects {
  readonly services: ReadonlyArray<Service>
  readonly nodes: ReadonlyArray<Node>
  readonly tasks: ReadonlyArray<Task>
}

/** Logs a warning for each object that can't be decoded, because one of them may be a matching task. */
const warningOfUnread = <A, E, R>(list: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.suspend(() => {
    const unread: Array<string> = []
    return list.pipe(
      Effect.provideService(UnreadObserver, ({ message }) => void unread.push(message)),
      Effect.tap(() =>
        Effect.forEach(unread, (message) => Effect.logWarning(`skipped an object that can't be read: ${message}`))
      )
    )
  })

/** Lists the services, the nodes and the tasks (default: those that Swarm wants to run). Logs a warning for objects that can't be read. */
export const readObjects = (filters: Filters = wantedTasks): Effect.Effect<Objects, SwarmFailure, Swarm> =>
  Swarm.use((swarm) =>
    Effect.all(
      {
        services: swarm.listServices({}),
        nodes: swarm.listNodes(),
        tasks: swarm.listTasks(filters)
      },
      { concurrency: 3 }
    ).pipe(warningOfUnread)
  )

/**
 * Selects tasks, in the natural order of their names. Fails with `NothingSelected`, with `InvalidTarget` and the lookup's errors for
 * single targets, and with the engine's errors.
 *
 * **When to use**: to show or check the tasks of a fan-out before it runs. `TaskExec.runAll` selects its tasks itself.
 *
 * **Gotchas**: Swarm may replace a task at any time. A fan-out checks again before it starts a command.
 *
 * @example
 * ```ts
 * import * as Effect from "effect/Effect"
 * import { selectTasks, Swarm } from "task-exec"
 *
 * const names = selectTasks({ services: ["web"], node: "node-3" }).pipe(
 *   Effect.map((tasks) => tasks.map(({ name }) => name)),
 *   Effect.provide(Swarm.layer)
 * )
 * ```
 *
 * @category targets
 * @since 0.1.0
 */
export const selectTasks = (
  selection: Selection,
  options: LookupOptions = {}
): Effect.Effect<ReadonlyArray<ResolvedTask>, SelectionError, Swarm> => select(selection, options, false)

/**
 * Selects the tasks whose logs to read: those of {@link selectTasks} and, for each slot (or node) without a running task, the newest task
 * that had a container. With a filter by state, only tasks in that state count.
 */
export const selectLogs = (
  selection: Selection,
  options: LookupOptions = {}
): Effect.Effect<ReadonlyArray<ResolvedTask>, SelectionError, Swarm> => select(selection, options, true)

const select = Effect.fn("TaskExec.select")(function* (
  selection: Selection,
  options: LookupOptions,
  forLogs: boolean
): Effect.fn.Return<ReadonlyArray<ResolvedTask>, SelectionError, Swarm> {
  // Parsed first, so that an invalid target fails without a request to the engine.
  const targets = yield* Effect.forEach(selection.targets ?? [], (text) => Effect.fromResult(parseTarget(text)))
  const objects = yield* readObjects(forLogs ? {} : wantedTasks)
  const lookup = forLogs ? lookupLog : lookupTask
  const named = yield* Effect.forEach(targets, (target) => lookup(target, options))
  const matching = yield* candidates(objects, selection, forLogs)
  const chosen = new Map(matching.map((task) => [task.id, task]))
  for (const task of named) chosen.set(task.id, task)
  const sorted = [...chosen.values()].sort((a, b) => byName(a.name, b.name))
  if (sorted.length === 0) return yield* nothing(objects, selection)
  if (selection.any === true) {
    const any = sorted[yield* Random.nextIntBetween(0, sorted.length, { halfOpen: true })]
    return any === undefined ? [] : [any]
  }
  return selection.limit === undefined ? sorted : sorted.slice(0, countOf(selection.limit, sorted.length))
})

/** Returns the tasks of services, a stack or a node that match the filters. */
const candidates = Effect.fnUntraced(function* (
  objects: Objects,
  { filters = [], node, services: words = [], stack, targets = [] }: Selection,
  forLogs: boolean
) {
  if (targets.length > 0 && words.length === 0 && stack === undefined) return []
  const services = yield* servicesOf(objects, words, stack)
  const nodeById = new Map(objects.nodes.map((object) => [object.ID, object]))
  const serviceById = new Map(services.map((object) => [object.ID, object]))
  // `node` becomes a filter by node ID, so that `node` and the filters accept the same names.
  const byNode = (name: string) =>
    Effect.map(nodeNamed(objects, name), ({ ID }): TaskFilter => ({ _tag: "Node", node: ID }))
  const wanted = yield* Effect.forEach(
    node === undefined ? filters : [...filters, { _tag: "Node", node } as const],
    (filter) => (filter._tag === "Node" ? byNode(filter.node) : Effect.succeed(filter))
  )
  const fits = (task: Task): ReadonlyArray<ResolvedTask> => {
    const service = serviceById.get(task.ServiceID)
    const host = nodeById.get(task.NodeID ?? "")
    if (service === undefined || host === undefined) return []
    if (ownRole(service, task) !== undefined) return []
    return wanted.every((filter) => matches(filter, service, host, task)) ? [resolvedTask(service, host, task)] : []
  }
  if (!forLogs) return newestInEachSlot(objects.tasks.filter(isRunning)).flatMap(fits)
  const states = wanted.filter((filter) => filter._tag === "State")
  const inState = objects.tasks.filter((task) => states.every(({ state }) => task.Status.State === state))
  return newestWithContainer(inState).flatMap(fits)
})

/**
 * Returns the services with these names and those of this stack; without names and a stack, all services except those of task-exec. Fails
 * if a service or the stack does not exist.
 */
export const servicesOf = (
  { services }: Objects,
  words: ReadonlyArray<string>,
  stack: string | undefined
): Effect.Effect<ReadonlyArray<Service>, NothingSelected | ProtectedTarget> => {
  const others = services.filter(({ Spec }) => roleOf(Spec.Labels) === undefined)
  if (words.length === 0 && stack === undefined) return Effect.succeed(others)
  const ofStack = others.filter(({ Spec }) => stack !== undefined && Spec.Labels[stackLabel] === stack)
  if (stack !== undefined && ofStack.length === 0) {
    const stacks = new Set(others.flatMap(({ Spec }) => Spec.Labels[stackLabel] ?? []))
    return nothingBecause(`stack ${stack} does not exist (stacks: ${listed(stacks)})`)
  }
  return Effect.map(
    Effect.forEach(words, (word) => serviceNamed(services, word)),
    (found) => [...found, ...ofStack]
  )
}

/** Finds a service by name. Fails for a service of task-exec itself, so that the user learns why none of its tasks is selected. */
const serviceNamed = (
  services: ReadonlyArray<Service>,
  word: string
): Effect.Effect<Service, NothingSelected | ProtectedTarget> => {
  const byId = services.filter(({ ID }) => ID.startsWith(word))
  const found =
    services.find(({ ID, Spec }) => Spec.Name === word || ID === word) ?? (byId.length === 1 ? byId[0] : undefined)
  if (found === undefined) {
    const names = services.flatMap(({ Spec }) => (roleOf(Spec.Labels) === undefined ? Spec.Name : []))
    return nothingBecause(`service ${word} does not exist (services: ${listed(names)})`)
  }
  const role = roleOf(found.Spec.Labels)
  return role === undefined
    ? Effect.succeed(found)
    : Effect.fail(new ProtectedTarget({ target: `service ${found.Spec.Name}`, role }))
}

/** Finds the node with this host name, ID, or unique prefix of an ID. */
export const nodeNamed = ({ nodes }: Objects, word: string): Effect.Effect<Node, NothingSelected> => {
  const named = nodes.filter((node) => isNode(node, word))
  const [node, ...others] = named.length > 0 ? named : nodes.filter(({ ID }) => ID.startsWith(word))
  if (node === undefined) {
    return nothingBecause(
      `node ${word} does not exist (nodes: ${listed(nodes.map(({ Description }) => Description.Hostname))})`
    )
  }
  return others.length === 0
    ? Effect.succeed(node)
    : nothingBecause(`${others.length + 1} nodes match ${word}; use the node ID`)
}

const isNode = ({ Description, ID }: Node, word: string): boolean => Description.Hostname === word || ID === word

/** The label that `docker stack deploy` sets on every service of a stack. */
export const stackLabel = "com.docker.stack.namespace"

const matches = (filter: TaskFilter, service: Service, node: Node, task: Task): boolean => {
  switch (filter._tag) {
    case "Label":
      return has({ ...task.Spec.ContainerSpec?.Labels, ...service.Spec.Labels }, filter)
    case "NodeLabel":
      return has(node.Spec.Labels, filter)
    case "Node":
      return node.ID === filter.node
    case "State":
      return task.Status.State === filter.state
  }
}

const has = (
  labels: Readonly<Record<string, string>>,
  { key, value }: { readonly key: string; readonly value: string | undefined }
): boolean => Object.hasOwn(labels, key) && (value === undefined || labels[key] === value)

/** Describes a selection for messages: `web.2, service web, stack shop, node node-1`. */
export const describeSelection = ({ node, services = [], stack, targets = [] }: Selection): string =>
  [
    ...targets,
    ...services.map((name) => `service ${name}`),
    ...(stack === undefined ? [] : [`stack ${stack}`]),
    ...(node === undefined ? [] : [`node ${node}`])
  ].join(", ")

/** Fails with the reason why no task matches. */
const nothing = ({ tasks }: Objects, selection: Selection) => {
  const { filters = [] } = selection
  const where = describeSelection(selection)
  const running = tasks.filter(isRunning).length
  const fitting = filters.length === 0 ? "" : " matches the filters"
  return new NothingSelected({ detail: `no running task of ${where}${fitting} (the swarm has ${running})` })
}

const nothingBecause = (detail: string) => Effect.fail(new NothingSelected({ detail }))

const shown = 8

const listed = (names: Iterable<string>): string => {
  const all = [...names].sort(byName)
  if (all.length === 0) return "none"
  return all.length > shown ? `${all.slice(0, shown).join(", ")}, and ${all.length - shown} more` : all.join(", ")
}
