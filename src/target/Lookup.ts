/** Finds the running task that a target names. */
import * as Effect from "effect/Effect"
import { isNotFound, type SwarmFailure } from "../engine/EngineErrors.ts"
import { type Node, type Service, type Task, wantedTasks } from "../engine/EngineSchemas.ts"
import { Swarm, type SwarmShape } from "../engine/Swarm.ts"
import { UnreadObserver } from "../engine/UnreadObserver.ts"
import { ProtectedTarget } from "../policy/PolicyErrors.ts"
import { type Candidate, maxShown, TaskAmbiguous, TaskNotFound, TaskNotRunning } from "./LookupErrors.ts"
import { ownRole, resolvedTask, slotOf, taskName } from "./ResolvedTask.ts"
import { type Target, taskIdIn } from "./Target.ts"

/**
 * Finds the running task that a target names.
 *
 * **When to use**: to compose the stages of a run by hand. Requests take targets as texts.
 *
 * **Details**: a service's name matches its only running task. An ID may be a unique prefix. A word is looked up as a service's name first,
 * then as the ID of a service, a task or a container. Never chooses between several tasks.
 *
 * Fails with `TaskNotFound`, `TaskAmbiguous` (with the candidates), `TaskNotRunning` (with state and reason), `ProtectedTarget` (a task of
 * task-exec itself), and with the engine's errors, including `NotSwarmManager`.
 *
 * @example
 * ```ts
 * import * as Effect from "effect/Effect"
 * import { lookupTask, parseTarget, Swarm } from "task-exec"
 *
 * const node = Effect.fromResult(parseTarget("web.2")).pipe(
 *   Effect.flatMap(lookupTask),
 *   Effect.map(({ node }) => node.hostname),
 *   Effect.provide(Swarm.layer)
 * )
 * ```
 *
 * @category targets
 * @since 0.1.0
 */
export const lookupTask = Effect.fn("TaskExec.lookup")(function* (target: Target) {
  const swarm = yield* Swarm
  const found = yield* namingUnread(find(swarm, target))
  return yield* only(swarm, target, found, newestOfEachPlace(found.tasks.filter(isRunning)))
})

/**
 * Finds the task whose log to read: the running task that {@link lookupTask} finds or, if none runs, the newest task that had a container.
 * An ID also matches a task that was replaced.
 */
export const lookupLog = Effect.fn("TaskExec.lookupLog")(function* (target: Target) {
  const swarm = yield* Swarm
  const found = yield* namingUnread(find(swarm, target, "all"))
  const all = newestWithContainer(found.tasks)
  const running = all.filter(isRunning)
  return yield* only(swarm, target, found, running.length === 0 ? all : running)
})

/** Resolves the task that matches. Fails if no task or several tasks match. */
const only = Effect.fnUntraced(function* (
  swarm: SwarmShape,
  target: Target,
  { node, service, tasks }: Found,
  matching: ReadonlyArray<Task>
) {
  const [first] = matching
  if (first === undefined) return yield* notRunning(swarm, target, service, tasks)
  if (matching.length > 1) {
    return yield* new TaskAmbiguous({ target: target.text, candidates: yield* describe(swarm, service, matching) })
  }
  return yield* resolve(swarm, target, service, first, node)
})

/** Adds the objects that can't be decoded to `TaskNotFound`: one of them may be the target. */
const namingUnread = <A, R>(
  find: Effect.Effect<A, TaskNotFound | SwarmFailure, R>
): Effect.Effect<A, TaskNotFound | SwarmFailure, R> =>
  Effect.suspend(() => {
    const unread = new Set<string>()
    return find.pipe(
      Effect.provideService(UnreadObserver, ({ message }) => void unread.add(message)),
      Effect.catchTag("TaskNotFound", (error) => {
        const detail = [error.detail, ...[...unread].slice(0, maxShown)].join("; ")
        return Effect.fail(unread.size === 0 ? error : new TaskNotFound({ ...error, detail }))
      })
    )
  })

/** The tasks that a target matches: those of one service, or those that an ID matches (then of any service). */
interface Found {
  readonly service: Service | undefined
  readonly tasks: ReadonlyArray<Task>
  /** The node of all these tasks, if it is known. */
  readonly node?: Node
}

/** Which tasks of a service to list: those that Swarm wants if that suffices (see {@link tasksOf}), or all in the service's history. */
type Extent = "wanted" | "all"

const find = (
  swarm: SwarmShape,
  target: Target,
  extent: Extent = "wanted"
): Effect.Effect<Found, TaskNotFound | SwarmFailure> => {
  switch (target._tag) {
    case "Service":
      return findInService(swarm, target, extent)
    case "Task":
      return findById(swarm, target.id).pipe(
        Effect.flatMap((tasks) =>
          tasks.length > 0
            ? Effect.succeed({ service: undefined, tasks })
            : missing(target, `no task ID starts with ${target.id}`)
        )
      )
    case "Container":
      return findByContainer(swarm, target.container).pipe(
        Effect.flatMap((tasks) =>
          tasks.length > 0
            ? Effect.succeed({ service: undefined, tasks })
            : missing(target, "no task of the swarm has this container")
        )
      )
    case "Word":
      return findWord(swarm, target, target.word, extent)
  }
}

/** Fails with `TaskNotFound`. */
export const missing = (target: Target, detail: string, service?: Service) =>
  Effect.fail(
    new TaskNotFound({ target: target.text, detail, ...(service === undefined ? {} : { service: service.Spec.Name }) })
  )

const findWord = Effect.fnUntraced(function* (swarm: SwarmShape, target: Target, word: string, extent: Extent) {
  const [service, byId, guessed] = yield* Effect.all(
    [findService(swarm, word), findById(swarm, word), wantedTasksOf(swarm, word)],
    { concurrency: 3 }
  )
  if (service !== undefined && (service.Spec.Name === word || byId.length === 0)) {
    return { service, tasks: yield* tasksOf(swarm, service, extent, undefined, guessed) }
  }
  if (byId.length > 0) return { service: undefined, tasks: byId }
  const byContainer = yield* findByContainer(swarm, word)
  if (byContainer.length > 0) return { service: undefined, tasks: byContainer }
  return yield* missing(target, "no service has this name, and no ID of a service, task or container starts with it")
})

const findInService = Effect.fnUntraced(function* (
  swarm: SwarmShape,
  target: Target & { readonly _tag: "Service" },
  extent: Extent
) {
  const { place, slot } = target
  const word = target.node ?? place
  const [service, guessed, nodes] = yield* Effect.all(
    [
      findService(swarm, target.service),
      wantedTasksOf(swarm, target.service),
      word === undefined ? Effect.succeed([]) : swarm.listNodes()
    ],
    { concurrency: 3 }
  )
  if (service === undefined) return yield* missing(target, `service ${target.service} does not exist`)
  const name = service.Spec.Name
  const fits = (task: Task) => slot === undefined || slotOf(service, task) === slot
  const all = yield* tasksOf(swarm, service, extent, fits, guessed)
  const inSlot = all.filter(fits)
  if (slot !== undefined && inSlot.length === 0) {
    return yield* missing(
      target,
      `service ${name} has no slot ${slot} (${yield* placesOf(swarm, service, all)})`,
      service
    )
  }
  if (word === undefined) return { service, tasks: inSlot }
  if (place !== undefined && !nodes.some((one) => isNode(one, place))) {
    const places = yield* placesOf(swarm, service, all)
    return yield* missing(target, `${place} is neither a slot of service ${name} nor a node ID (${places})`, service)
  }
  const node = yield* findNode(nodes, target, word)
  const there = inSlot.filter((task) => task.NodeID === node.ID)
  // Docker names a task by its node if it has no slot. Such a task takes precedence over other tasks of the service on that node.
  const slotless = place === undefined ? [] : there.filter((task) => task.Slot === undefined)
  const tasks = slotless.length > 0 ? slotless : there
  if (tasks.length > 0) return { service, tasks, node }
  const running = yield* describe(swarm, service, newestOfEachPlace(inSlot.filter(isRunning)))
  const elsewhere =
    running.length === 0
      ? "it has no running task"
      : `it runs as ${shorten(running.map((one) => `${one.name} on ${one.node}`))}`
  return yield* missing(
    target,
    `service ${name} has no task on node ${node.Description.Hostname} (${elsewhere})`,
    service
  )
})

/** Describes the slots of a service's tasks, or the nodes of a global service's tasks. */
const placesOf = Effect.fnUntraced(function* (swarm: SwarmShape, service: Service, tasks: ReadonlyArray<Task>) {
  if (tasks.length === 0) return "it has no tasks"
  const slots = [...new Set(tasks.flatMap((task) => slotOf(service, task) ?? []))].sort((a, b) => a - b)
  if (slots.length > 0) return `it has slots ${shorten(slots)}`
  const hosting = new Set(tasks.map(({ NodeID }) => NodeID))
  const nodes = (yield* swarm.listNodes()).filter(({ ID }) => hosting.has(ID))
  return `it is global, with tasks on ${shorten(nodes.map((node) => node.Description.Hostname).sort())}`
})

const shorten = (names: ReadonlyArray<string | number>): string =>
  names.length > maxShown
    ? `${names.slice(0, maxShown).join(", ")}, and ${names.length - maxShown} more`
    : names.join(", ")

/** Finds a service by its name, its ID, or a unique prefix of its ID. The filters of the API match prefixes. */
export const findService = Effect.fnUntraced(function* (swarm: SwarmShape, word: string) {
  const [byName, byId] = yield* Effect.all([swarm.listServices({ name: [word] }), swarm.listServices({ id: [word] })], {
    concurrency: 2
  })
  const named = byName.find((service) => service.Spec.Name === word)
  return named ?? byId.find((service) => service.ID === word) ?? (byId.length === 1 ? byId[0] : undefined)
})

const isNode = ({ Description, ID }: Node, word: string): boolean =>
  Description.Hostname === word || ID.startsWith(word)

/** Finds the node that a target names. */
export const findNode = Effect.fnUntraced(function* (nodes: ReadonlyArray<Node>, target: Target, word: string) {
  const exact = nodes.filter((node) => node.Description.Hostname === word || node.ID === word)
  const found = exact.length > 0 ? exact : nodes.filter((node) => isNode(node, word))
  const [node] = found
  if (node === undefined) {
    const names = nodes.map(({ Description }) => Description.Hostname).sort()
    return yield* missing(target, `node ${word} does not exist (nodes: ${shorten(names)})`)
  }
  if (found.length > 1) return yield* missing(target, `${found.length} nodes match ${word}; use the node ID`)
  return node
})

/**
 * Lists the tasks that Swarm wants to run for a service. The managers resolve the word, so this request runs at the same time as the one
 * that finds the service.
 */
const wantedTasksOf = (swarm: SwarmShape, service: string) =>
  swarm.listTasks({ service: [service], ...wantedTasks }).pipe(
    // The managers know no service, or several services, for this word.
    Effect.catchTag("EngineError", () => Effect.succeed([]))
  )

/**
 * Returns the tasks that Swarm wants to run if one of them fits; otherwise all tasks in the service's history, because during an update
 * there are moments at which Swarm wants neither the old task of a slot nor the new one. `guessed` may belong to another service.
 */
const tasksOf = Effect.fnUntraced(function* (
  swarm: SwarmShape,
  service: Service,
  extent: Extent,
  fits: (task: Task) => boolean = () => true,
  guessed: ReadonlyArray<Task> = []
) {
  if (extent === "all") return yield* swarm.listTasks({ service: [service.ID] })
  const ofService = guessed.filter(({ ServiceID }) => ServiceID === service.ID)
  if (ofService.some(fits)) return ofService
  const wanted = yield* swarm.listTasks({ service: [service.ID], ...wantedTasks })
  return wanted.some(fits) ? wanted : yield* swarm.listTasks({ service: [service.ID] })
})

const taskId = /^[a-z0-9]{1,25}$/
const containerId = /^[0-9a-f]{4,64}$/

const findById = (swarm: SwarmShape, prefix: string) =>
  taskId.test(prefix) ? swarm.listTasks({ id: [prefix] }) : Effect.succeed([])

/** Finds tasks by the name that Swarm gave their container, or by the container's ID in the tasks' status. */
const findByContainer = Effect.fnUntraced(function* (swarm: SwarmShape, container: string) {
  const named = taskIdIn(container)
  if (named !== undefined) return yield* findById(swarm, named)
  if (!containerId.test(container)) return []
  const tasks = yield* swarm.listTasks({})
  return tasks.filter((task) => task.Status.ContainerStatus?.ContainerID.startsWith(container))
})

/** Whether the task has a running container. */
export const isRunning = (task: Task): boolean =>
  task.Status.State === "running" && (task.Status.ContainerStatus?.ContainerID ?? "") !== ""

/** Whether the task has, or had, a container. */
export const hasContainer = (task: Task): boolean => (task.Status.ContainerStatus?.ContainerID ?? "") !== ""

type Placed = Pick<Task, "CreatedAt" | "NodeID" | "ServiceID" | "Slot">

const placeOf = ({ NodeID, ServiceID, Slot }: Placed): string => `${ServiceID} ${Slot ?? NodeID}`

/**
 * Keeps the newest task of each place. A place is a service's slot or, for tasks without slots, a node. During an update that starts the
 * new task first, two tasks run in a slot for a moment.
 */
export const newestOfEachPlace = <A extends Placed>(
  tasks: ReadonlyArray<A>,
  place: (task: A) => string = placeOf
): ReadonlyArray<A> => {
  const newest = new Map<string, A>()
  for (const task of tasks) {
    const key = place(task)
    const other = newest.get(key)
    if (other === undefined || other.CreatedAt < task.CreatedAt) newest.set(key, task)
  }
  return [...newest.values()].sort((a, b) => (a.Slot ?? 0) - (b.Slot ?? 0))
}

/** Keeps one task of each place: the running task or, if none runs, the newest task that had a container. */
export const newestWithContainer = (tasks: ReadonlyArray<Task>): ReadonlyArray<Task> => {
  const running = newestOfEachPlace(tasks.filter(isRunning))
  const taken = new Set(running.map(placeOf))
  const others = newestOfEachPlace(tasks.filter((task) => hasContainer(task) && !taken.has(placeOf(task))))
  return [...running, ...others]
}

const notRunning = Effect.fnUntraced(function* (
  swarm: SwarmShape,
  target: Target,
  service: Service | undefined,
  tasks: ReadonlyArray<Task>
) {
  const newest = tasks.toSorted((a, b) => (a.CreatedAt < b.CreatedAt ? 1 : -1))[0]
  if (newest === undefined) {
    return yield* missing(target, `service ${service?.Spec.Name ?? ""} has no tasks (is it scaled to 0?)`, service)
  }
  const [task] = yield* describe(swarm, service, [newest])
  if (task === undefined) return yield* missing(target, "its task was removed", service)
  const { Err, Message } = newest.Status
  return yield* new TaskNotRunning({ target: target.text, task, reason: Err ?? Message })
})

/** Describes tasks with the names of their services and nodes. */
const describe = Effect.fnUntraced(function* (
  swarm: SwarmShape,
  service: Service | undefined,
  tasks: ReadonlyArray<Task>
) {
  if (tasks.length === 0) return []
  const [services, nodes] = yield* Effect.all(
    [service === undefined ? swarm.listServices({}) : Effect.succeed([service]), swarm.listNodes()],
    { concurrency: 2 }
  )
  return tasks.map((task): Candidate => {
    const node = nodes.find(({ ID }) => ID === task.NodeID)?.Description.Hostname ?? task.NodeID ?? ""
    const owner = services.find(({ ID }) => ID === task.ServiceID)
    return { id: task.ID, name: taskName(owner, task, node), node, state: task.Status.State }
  })
})

const resolve = Effect.fnUntraced(function* (
  swarm: SwarmShape,
  target: Target,
  service: Service | undefined,
  task: Task,
  found?: Node
) {
  const [owner, node] = yield* Effect.all(
    [
      service === undefined ? swarm.inspectService(task.ServiceID) : Effect.succeed(service),
      found === undefined ? nodeOf(swarm, task) : Effect.succeed(found)
    ],
    { concurrency: 2 }
  ).pipe(Effect.catchIf(isNotFound, () => missing(target, "its service or node was just removed", service)))
  const resolved = resolvedTask(owner, node, task)
  const role = ownRole(owner, task)
  if (role !== undefined)
    return yield* new ProtectedTarget({ target: resolved.name, node: resolved.node.hostname, role })
  return resolved
})

const nodeOf = (swarm: SwarmShape, task: Task): Effect.Effect<Node, SwarmFailure> =>
  swarm.inspectNode(task.NodeID ?? "")
