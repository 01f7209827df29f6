/**
 * Finds the task that a target names: the first stage of the pipeline.
 */
import * as Effect from "effect/Effect"
import { isNotFound, type SwarmFailure } from "../engine/EngineErrors.ts"
import { type Node, type Service, type Task, wantedTasks } from "../engine/EngineSchemas.ts"
import { Swarm, type SwarmShape } from "../engine/Swarm.ts"
import { UnreadObserver } from "../engine/UnreadObserver.ts"
import { ProtectedTarget } from "../policy/ProtectedTarget.ts"
import { type Candidate, maxShown, TaskAmbiguous, TaskNotFound, TaskNotRunning } from "./LookupErrors.ts"
import { ownRole, resolvedTask, slotOf, taskName } from "./ResolvedTask.ts"
import { type Target, taskIdIn } from "./Target.ts"

/**
 * The running task that a target names.
 *
 * A service's name means its only running task; an ID may be cut to a unique prefix; a bare word is taken for a
 * service's name first, then for an ID of a service, a task or a container. Nothing is ever picked from several.
 *
 * Fails with `TaskNotFound`, `TaskAmbiguous` (with the candidates), `TaskNotRunning` (with state and reason), and `ProtectedTarget` (a
 * task of task-exec itself), and with the engine's errors, `NotSwarmManager` among them.
 */
export const lookupTask = Effect.fn("TaskExec.lookup")(function* (target: Target) {
  const swarm = yield* Swarm
  const { node, service, tasks } = yield* namingUnread(find(swarm, target))
  const running = newestOfEachPlace(tasks.filter(isRunning))
  const [first] = running
  if (first === undefined) return yield* notRunning(swarm, target, service, tasks)
  if (running.length > 1) {
    return yield* new TaskAmbiguous({ target: target.text, candidates: yield* describe(swarm, service, running) })
  }
  return yield* resolve(swarm, target, service, first, node)
})

/** What is not found may be an object that can't be read: the error says so. */
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

/** What a target was found to mean: a service's tasks, or single tasks that an ID fits (then of any service). */
interface Found {
  readonly service: Service | undefined
  readonly tasks: ReadonlyArray<Task>
  /** Of all of the tasks, if it is known. */
  readonly node?: Node
}

const find = (swarm: SwarmShape, target: Target): Effect.Effect<Found, TaskNotFound | SwarmFailure> => {
  switch (target._tag) {
    case "Service":
      return findInService(swarm, target)
    case "Task":
      return findById(swarm, target.id).pipe(
        Effect.flatMap((tasks) =>
          tasks.length > 0 ? Effect.succeed({ service: undefined, tasks }) : missing(target, "no task ID begins so")
        )
      )
    case "Container":
      return findByContainer(swarm, target.container).pipe(
        Effect.flatMap((tasks) =>
          tasks.length > 0
            ? Effect.succeed({ service: undefined, tasks })
            : missing(target, "no task of the swarm has such a container")
        )
      )
    case "Word":
      return findWord(swarm, target, target.word)
  }
}

const missing = (target: Target, detail: string, service?: Service) =>
  Effect.fail(
    new TaskNotFound({ target: target.text, detail, ...(service === undefined ? {} : { service: service.Spec.Name }) })
  )

const findWord = Effect.fnUntraced(function* (swarm: SwarmShape, target: Target, word: string) {
  const [service, byId, guessed] = yield* Effect.all(
    [findService(swarm, word), findById(swarm, word), wantedTasksOf(swarm, word)],
    { concurrency: 3 }
  )
  if (service !== undefined && (service.Spec.Name === word || byId.length === 0)) {
    return { service, tasks: yield* tasksOf(swarm, service, undefined, guessed) }
  }
  if (byId.length > 0) return { service: undefined, tasks: byId }
  const byContainer = yield* findByContainer(swarm, word)
  if (byContainer.length > 0) return { service: undefined, tasks: byContainer }
  return yield* missing(target, "it is neither a service's name nor the beginning of a task or container ID")
})

const findInService = Effect.fnUntraced(function* (swarm: SwarmShape, target: Target & { readonly _tag: "Service" }) {
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
  if (service === undefined) return yield* missing(target, `there is no service ${target.service}`)
  const name = service.Spec.Name
  const fits = (task: Task) => slot === undefined || slotOf(service, task) === slot
  const all = yield* tasksOf(swarm, service, fits, guessed)
  const inSlot = all.filter(fits)
  if (slot !== undefined && inSlot.length === 0) {
    return yield* missing(target, `${name} has no slot ${slot} (${yield* placesOf(swarm, service, all)})`, service)
  }
  if (word === undefined) return { service, tasks: inSlot }
  if (place !== undefined && !nodes.some((one) => isNode(one, place))) {
    const places = yield* placesOf(swarm, service, all)
    return yield* missing(target, `${place} is neither a slot of ${name} nor a node (${places})`, service)
  }
  const node = yield* findNode(nodes, target, word)
  const there = inSlot.filter((task) => task.NodeID === node.ID)
  // Docker names a task by its node where it has no slot: such a task comes before others of the service on that node.
  const slotless = place === undefined ? [] : there.filter((task) => task.Slot === undefined)
  const tasks = slotless.length > 0 ? slotless : there
  if (tasks.length > 0) return { service, tasks, node }
  const running = yield* describe(swarm, service, newestOfEachPlace(inSlot.filter(isRunning)))
  const elsewhere = running.length === 0 ? "none runs" : running.map((one) => `${one.name} on ${one.node}`).join(", ")
  return yield* missing(target, `${name} has no task on ${node.Description.Hostname} (${elsewhere})`, service)
})

/** In words: the slots of a service's tasks, and the nodes of those that have none. */
const placesOf = Effect.fnUntraced(function* (swarm: SwarmShape, service: Service, tasks: ReadonlyArray<Task>) {
  if (tasks.length === 0) return "it has no tasks"
  const slots = [...new Set(tasks.flatMap((task) => slotOf(service, task) ?? []))].sort((a, b) => a - b)
  if (slots.length > 0) return `it has slots ${shorten(slots)}`
  const hosting = new Set(tasks.map(({ NodeID }) => NodeID))
  const nodes = (yield* swarm.listNodes()).filter(({ ID }) => hosting.has(ID))
  return `it has no slots, but a task on each of these nodes: ${shorten(nodes.map((node) => node.Description.Hostname).sort())}`
})

const shorten = (names: ReadonlyArray<string | number>): string =>
  names.length > maxShown
    ? `${names.slice(0, maxShown).join(", ")}, and ${names.length - maxShown} more`
    : names.join(", ")

/** By name, by ID, or by the unique beginning of an ID. The filters of the API match beginnings. */
const findService = Effect.fnUntraced(function* (swarm: SwarmShape, word: string) {
  const [byName, byId] = yield* Effect.all([swarm.listServices({ name: [word] }), swarm.listServices({ id: [word] })], {
    concurrency: 2
  })
  const named = byName.find((service) => service.Spec.Name === word)
  return named ?? byId.find((service) => service.ID === word) ?? (byId.length === 1 ? byId[0] : undefined)
})

const isNode = ({ Description, ID }: Node, word: string): boolean =>
  Description.Hostname === word || ID.startsWith(word)

const findNode = Effect.fnUntraced(function* (nodes: ReadonlyArray<Node>, target: Target, word: string) {
  const exact = nodes.filter((node) => node.Description.Hostname === word || node.ID === word)
  const found = exact.length > 0 ? exact : nodes.filter((node) => isNode(node, word))
  const [node] = found
  if (node === undefined) {
    const names = nodes.map(({ Description }) => Description.Hostname)
    return yield* missing(target, `there is no node ${word} (nodes: ${shorten(names)})`)
  }
  if (found.length > 1) return yield* missing(target, `${found.length} nodes go by ${word}: name it by its node ID`)
  return node
})

/** By the service's ID; or by a word that the managers look up, which is asked at the same time as what the word means. */
const wantedTasksOf = (swarm: SwarmShape, service: string) =>
  swarm.listTasks({ service: [service], ...wantedTasks }).pipe(
    // To the managers the word means nothing, or several things.
    Effect.catchTag("EngineError", () => Effect.succeed([]))
  )

/**
 * Current tasks when Swarm wants any that fits, otherwise all, with the service's history: in the middle of an
 * update a slot's task is one that Swarm does not want any more, or not yet. `guessed` may be those of another service.
 */
const tasksOf = Effect.fnUntraced(function* (
  swarm: SwarmShape,
  service: Service,
  fits: (task: Task) => boolean = () => true,
  guessed: ReadonlyArray<Task> = []
) {
  const ofService = guessed.filter(({ ServiceID }) => ServiceID === service.ID)
  if (ofService.some(fits)) return ofService
  const wanted = yield* swarm.listTasks({ service: [service.ID], ...wantedTasks })
  return wanted.some(fits) ? wanted : yield* swarm.listTasks({ service: [service.ID] })
})

const taskId = /^[a-z0-9]{1,25}$/
const containerId = /^[0-9a-f]{4,64}$/

const findById = (swarm: SwarmShape, prefix: string) =>
  taskId.test(prefix) ? swarm.listTasks({ id: [prefix] }) : Effect.succeed([])

/** By the name that Swarm gave it, or by its ID, which only the tasks' status tells. */
const findByContainer = Effect.fnUntraced(function* (swarm: SwarmShape, container: string) {
  const named = taskIdIn(container)
  if (named !== undefined) return yield* findById(swarm, named)
  if (!containerId.test(container)) return []
  const tasks = yield* swarm.listTasks({})
  return tasks.filter((task) => task.Status.ContainerStatus?.ContainerID.startsWith(container))
})

/** Whether there is a container to run something in. */
export const isRunning = (task: Task): boolean =>
  task.Status.State === "running" && (task.Status.ContainerStatus?.ContainerID ?? "") !== ""

/** During an update that starts the new task first, two tasks of one slot run for a moment: the newer one counts. */
export const newestOfEachPlace = (tasks: ReadonlyArray<Task>): ReadonlyArray<Task> => {
  const newest = new Map<string, Task>()
  for (const task of tasks) {
    const place = `${task.ServiceID} ${task.Slot ?? task.NodeID}`
    const other = newest.get(place)
    if (other === undefined || other.CreatedAt < task.CreatedAt) newest.set(place, task)
  }
  return [...newest.values()].sort((a, b) => (a.Slot ?? 0) - (b.Slot ?? 0))
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
  if (task === undefined) return yield* missing(target, "its task went away", service)
  const { Err, Message } = newest.Status
  return yield* new TaskNotRunning({ target: target.text, task, reason: Err ?? Message })
})

/** The tasks in words, with the names of their services and nodes. */
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
  ).pipe(Effect.catchIf(isNotFound, () => missing(target, "its service or node was removed just now", service)))
  const resolved = resolvedTask(owner, node, task)
  const role = ownRole(owner, task)
  if (role !== undefined)
    return yield* new ProtectedTarget({ target: resolved.name, node: resolved.node.hostname, role })
  return resolved
})

const nodeOf = (swarm: SwarmShape, task: Task): Effect.Effect<Node, SwarmFailure> =>
  swarm.inspectNode(task.NodeID ?? "")
