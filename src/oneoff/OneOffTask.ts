/** Starts a one-off task: a new task of a service, which only waits until a command is executed in it. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { isNotFound, type SwarmFailure } from "../engine/EngineErrors.ts"
import { owned } from "../engine/Owned.ts"
import { Swarm, type SwarmShape } from "../engine/Swarm.ts"
import { isFinalTaskState, type Node, type Task, wantedTasks } from "../engine/SwarmSchemas.ts"
import { keepLease, leaseTerm } from "../helper/Lease.ts"
import { makeOwnership, type Ownership, oneOffRole, ownershipLabels, roleOf } from "../Labels.ts"
import { denial, withCallerDefault } from "../policy/Permission.ts"
import { allowLabel } from "../policy/Policy.ts"
import type { PolicyDenied } from "../policy/PolicyErrors.ts"
import { ProtectedTarget } from "../policy/PolicyErrors.ts"
import type { CheckedCommand } from "../request/CheckedRequest.ts"
import type { CheckedOneOff } from "../request/OneOffRequest.ts"
import { findNode, findService, missing } from "../target/FindTasks.ts"
import type { TaskNotFound } from "../target/LookupErrors.ts"
import { type ResolvedTask, resolvedTask } from "../target/ResolvedTask.ts"
import type { Target } from "../target/Target.ts"
import { isRunning } from "../target/TaskState.ts"
import { holdTemplate } from "./Hold.ts"
import { OneOffNotPlaced, OneOffNotStarted } from "./OneOffErrors.ts"
import { type Original, oneOffServiceSpec, readOriginal } from "./OneOffSpec.ts"

/** Options of {@link openOneOffTask}. */
export interface OneOffOptions {
  readonly original: Original
  readonly request: CheckedOneOff
  /** The nodes to try in turn: see {@link nodesFor}. `undefined`: Swarm chooses the node. */
  readonly nodes: ReadonlyArray<Node | undefined>
  /** Milliseconds within which Swarm must find a node. */
  readonly placementTimeout: number
  /** Milliseconds within which the task must run, including the pull of its image. */
  readonly startTimeout: number
}

/** The service and, if the target names one, the node of a one-off task. */
export interface OneOffTarget {
  readonly original: Original
  readonly node: Node | undefined
}

/** The most nodes to try before Swarm chooses. */
const triedNodes = 3

/** The pause between two looks at the task, in milliseconds. Each pause is `pauseGrowth` times as long as the previous one. */
const firstPause = 50
const longestPause = 250
const pauseGrowth = 1.25

/**
 * Finds the service that a target names: `web`, or `web@node-3` for a task on that node. Fails with `TaskNotFound` and `ProtectedTarget`.
 */
export const findOriginal = Effect.fn("TaskExec.findService")(function* (
  target: Target
): Effect.fn.Return<OneOffTarget, TaskNotFound | ProtectedTarget | SwarmFailure, Swarm> {
  const swarm = yield* Swarm
  const word = target._tag === "Service" ? target.service : target._tag === "Word" ? target.word : undefined
  const slot = target._tag === "Service" ? (target.slot ?? target.slotNode) : undefined
  if (word === undefined || slot !== undefined) {
    return yield* missing(target, "a one-off task needs the name of a service, or SERVICE@NODE")
  }
  const service = yield* findService(swarm, word)
  if (service === undefined) return yield* missing(target, `service ${word} does not exist`)
  const name = service.Spec.Name
  const role = roleOf(service.Spec.Labels)
  if (role !== undefined) return yield* new ProtectedTarget({ target: name, role })
  const original = yield* readOriginal(swarm.host, service)
  const node = target._tag === "Service" ? target.node : undefined
  return { original, node: node === undefined ? undefined : yield* findNode(yield* swarm.listNodes(), target, node) }
})

/** Fails with `PolicyDenied` if the labels of the service deny the command, before anything is created. The node checks again. */
export const checkOriginal = (
  original: Original,
  { command, denyDefault }: Pick<CheckedCommand, "command" | "denyDefault">
): Effect.Effect<void, PolicyDenied> => {
  const policy = withCallerDefault(policyOf(original), denyDefault)
  const denied = denial("", policy, { _tag: "Run", command })
  return denied === undefined ? Effect.void : Effect.fail(denied)
}

/** The name of a one-off task of this service, in messages. */
const nameOf = (service: string): string => `${service}.run`

const policyOf = ({ service, template }: Original) => {
  const { Labels, Name } = service.Spec
  const serviceAllow = Labels[allowLabel]
  const containerAllow = template.ContainerSpec.Labels?.[allowLabel]
  return {
    service: Name,
    task: nameOf(Name),
    ...(serviceAllow === undefined ? {} : { serviceAllow }),
    ...(containerAllow === undefined ? {} : { containerAllow })
  }
}

/**
 * Returns the nodes to try in turn: nodes that run a task of the service, because they have its image and its local volumes. The connected
 * engine's node comes first, because commands there need no helper. Last, `undefined` lets Swarm choose.
 */
export const nodesFor = Effect.fnUntraced(function* (
  { node, original }: OneOffTarget,
  connectedNode: string
): Effect.fn.Return<ReadonlyArray<Node | undefined>, SwarmFailure, Swarm> {
  if (node !== undefined) return [node]
  const swarm = yield* Swarm
  const [tasks, nodes] = yield* Effect.all(
    [swarm.listTasks({ service: [original.service.ID], ...wantedTasks }), swarm.listNodes()],
    { concurrency: 2 }
  )
  const hosts = new Set(tasks.filter(isRunning).map(({ NodeID }) => NodeID))
  const fit = nodes.filter(
    ({ ID, Spec, Status }) => hosts.has(ID) && Status.State === "ready" && Spec.Availability === "active"
  )
  const rank = ({ ID }: Node) => (ID === connectedNode ? 0 : 1)
  return [...fit.toSorted((a, b) => rank(a) - rank(b)).slice(0, triedNodes), undefined]
})

/**
 * Starts a one-off task, and returns it when it runs. Its service and its secret are removed when the scope closes. Does not check the
 * policy: see {@link checkOriginal}.
 */
export const openOneOffTask = Effect.fn("TaskExec.oneOff")(function* (
  options: OneOffOptions
): Effect.fn.Return<ResolvedTask, OneOffNotStarted | OneOffNotPlaced | SwarmFailure, Swarm | Scope.Scope> {
  const [last, ...before] = options.nodes.toReversed()
  const swarm = yield* Swarm
  const owner = yield* makeOwnership(options.placementTimeout + options.startTimeout + leaseTerm)
  const name = `task-exec-run-${owner.runId}`
  const { runId } = owner
  const labels = ownershipLabels(owner, oneOffRole)
  const secretId = yield* owned(
    swarm.createSecret({ name, labels, data: holdTemplate, isTemplate: true }),
    swarm.removeSecret(name),
    { kind: "secret", name, runId }
  )
  const start = (node: Node | undefined, isLast: boolean) =>
    startOn(swarm, { ...options, node, isLast, name, owner, labels, secretId })
  for (const node of before.toReversed()) {
    const task = yield* start(node, false)
    if (task !== undefined) return task
  }
  const task = yield* start(last, true)
  return task ?? (yield* Effect.die("the last node is final"))
})

interface StartOptions extends OneOffOptions {
  readonly node: Node | undefined
  /** Whether this is the last node to try. */
  readonly isLast: boolean
  readonly name: string
  readonly owner: Ownership
  readonly labels: Readonly<Record<string, string>>
  readonly secretId: string
}

/** Starts the task on a node. If the node does not fit and another one can be tried, removes the service and returns `undefined`. */
const startOn = Effect.fnUntraced(function* (swarm: SwarmShape, options: StartOptions) {
  const { labels, name, node, original, owner, request, secretId } = options
  const scope = yield* Scope.fork(yield* Effect.scope)
  const spec = oneOffServiceSpec(original, {
    name,
    labels,
    secretId,
    request,
    constraints: node === undefined ? [] : [`node.id==${node.ID}`]
  })
  const { runId } = owner
  return yield* Effect.gen(function* () {
    yield* owned(swarm.createService(spec), swarm.removeService(name), { kind: "service", name, runId })
    const task = yield* awaitRunning(swarm, spec.TaskTemplate.ContainerSpec.Image, options)
    if (task === undefined) {
      yield* Scope.close(scope, Exit.void)
      return undefined
    }
    yield* Effect.forkScoped(keepLease(spec, owner, { service: oneOffRole, secret: oneOffRole }))
    const { Spec } = original.service
    const host = yield* swarm.inspectNode(task.NodeID ?? "")
    const resolved = resolvedTask(original.service, host, task)
    const named = nameOf(Spec.Name)
    const { slot, ...known } = resolved
    return { ...known, name: named, policy: { ...resolved.policy, task: named } }
  }).pipe(Scope.provide(scope))
})

/** Polls until the task runs. Returns `undefined` as soon as no node fits, unless this is the last node. */
const awaitRunning = Effect.fnUntraced(function* (
  swarm: SwarmShape,
  image: string,
  { isLast, name, original, startTimeout, placementTimeout }: StartOptions
): Effect.fn.Return<Task | undefined, OneOffNotStarted | OneOffNotPlaced | SwarmFailure> {
  const service = original.service.Spec.Name
  const start = yield* Clock.currentTimeMillis
  let pause = firstPause
  for (;;) {
    const tasks = yield* swarm
      .listTasks({ service: [name] })
      .pipe(Effect.catchIf(isNotFound, () => Effect.succeed(undefined)))
    if (tasks === undefined) {
      const reason = "another program removed its service"
      return yield* new OneOffNotStarted({ service, image, state: "removed", reason })
    }
    // Swarm may add a task after a leader change. The first task is the one-off task.
    const task = tasks.toSorted((a, b) => (a.CreatedAt < b.CreatedAt ? -1 : 1)).at(0)
    if (task !== undefined && isRunning(task)) return task
    const { Err, Message, State: state } = task?.Status ?? { Err: undefined, Message: "", State: "new" }
    const reason = Err ?? Message
    if (isFinalTaskState(state)) {
      const node = yield* hostnameOf(swarm, task?.NodeID)
      return yield* new OneOffNotStarted({ service, image, state, reason, ...(node === undefined ? {} : { node }) })
    }
    const isPlaced = task?.NodeID !== undefined && task.NodeID !== ""
    if (!isPlaced && !isLast && /no suitable node/.test(reason)) return undefined
    const after = (yield* Clock.currentTimeMillis) - start
    if (after > (isPlaced ? startTimeout : placementTimeout)) {
      return yield* new OneOffNotPlaced({ service, image, after, state, reason })
    }
    yield* Effect.sleep(pause)
    pause = Math.min(pause * pauseGrowth, longestPause)
  }
})

const hostnameOf = (swarm: SwarmShape, node: string | undefined): Effect.Effect<string | undefined> =>
  node === undefined
    ? Effect.succeed(undefined)
    : swarm.inspectNode(node).pipe(
        Effect.map(({ Description }) => Description.Hostname),
        Effect.orElseSucceed(() => node)
      )
