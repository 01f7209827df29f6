/** Finds the tasks that a target matches, and the services and nodes that it names. */
import * as Effect from "effect/Effect"
import { isInvalid, isNotFound, type SwarmFailure } from "../engine/EngineErrors.ts"
import type { SwarmShape } from "../engine/Swarm.ts"
import { type Node, type Service, type Task, wantedTasks } from "../engine/SwarmSchemas.ts"
import { type Candidate, maxShown, TaskNotFound } from "./LookupErrors.ts"
import { slotOf, taskName } from "./ResolvedTask.ts"
import { type Target, taskIdIn } from "./Target.ts"
import { isRunning, newestInEachSlot } from "./TaskState.ts"

/** The tasks that a target matches: those of one service, or those that an ID matches (then of any service). */
export interface Found {
  readonly service: Service | undefined
  readonly tasks: ReadonlyArray<Task>
  /** The node of all these tasks, if it is known. */
  readonly node?: Node
}

/** Which tasks of a service to list: those that Swarm wants if that suffices (see {@link tasksOf}), or all in the service's history. */
type Extent = "wanted" | "all"

/** Finds the tasks that a target matches, running or not. Fails with `TaskNotFound` if the target matches nothing. */
export const findTasks = (
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
  const { slot, slotNode } = target
  const word = target.node ?? slotNode
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
      `service ${name} has no slot ${slot} (${yield* describeSlots(swarm, service, all)})`,
      service
    )
  }
  if (word === undefined) return { service, tasks: inSlot }
  if (slotNode !== undefined && !nodes.some((one) => isNode(one, slotNode))) {
    const slots = yield* describeSlots(swarm, service, all)
    return yield* missing(target, `${slotNode} is neither a slot of service ${name} nor a node ID (${slots})`, service)
  }
  const node = yield* findNode(nodes, target, word)
  const there = inSlot.filter((task) => task.NodeID === node.ID)
  // Docker names a task by its node if it has no slot. Such a task takes precedence over other tasks of the service on that node.
  const slotless = slotNode === undefined ? [] : there.filter((task) => task.Slot === undefined)
  const tasks = slotless.length > 0 ? slotless : there
  if (tasks.length > 0) return { service, tasks, node }
  const running = yield* candidatesOf(swarm, service, newestInEachSlot(inSlot.filter(isRunning)))
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
const describeSlots = Effect.fnUntraced(function* (swarm: SwarmShape, service: Service, tasks: ReadonlyArray<Task>) {
  if (tasks.length === 0) return "it has no tasks"
  const slots = [...new Set(tasks.flatMap((task) => slotOf(service, task) ?? []))].sort((a, b) => a - b)
  if (slots.length > 0) return `it has slots ${shorten(slots)}`
  const withTasks = new Set(tasks.map(({ NodeID }) => NodeID))
  const nodes = (yield* swarm.listNodes()).filter(({ ID }) => withTasks.has(ID))
  return `it is global, with tasks on ${shorten(nodes.map((node) => node.Description.Hostname).sort())}`
})

const shorten = (names: ReadonlyArray<string | number>): string =>
  names.length > maxShown
    ? `${names.slice(0, maxShown).join(", ")}, and ${names.length - maxShown} more`
    : names.join(", ")

/**
 * Finds a service by its ID, its name, or a unique prefix of its ID. The managers look for these in this order (moby,
 * `daemon/cluster/helpers.go`, `getService`).
 */
export const findService = (swarm: SwarmShape, word: string): Effect.Effect<Service | undefined, SwarmFailure> =>
  swarm.inspectService(word).pipe(Effect.catchIf(isUnknownWord, () => Effect.succeed(undefined)))

/** Whether the managers know no service, or several services, for a word. */
const isUnknownWord = (error: SwarmFailure): boolean => isNotFound(error) || isInvalid(error)

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

/** Describes tasks with the names of their services and nodes. */
export const candidatesOf = Effect.fnUntraced(function* (
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
