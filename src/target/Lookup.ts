/** Finds the running task that a target names. */
import * as Effect from "effect/Effect"
import { isNotFound, type SwarmFailure } from "../engine/EngineErrors.ts"
import { Swarm, type SwarmShape } from "../engine/Swarm.ts"
import type { Node, Service, Task } from "../engine/SwarmSchemas.ts"
import { UnreadObserver } from "../engine/UnreadObserver.ts"
import { ProtectedTarget } from "../policy/PolicyErrors.ts"
import { candidatesOf, type Found, findTasks, missing } from "./FindTasks.ts"
import { maxShown, TaskAmbiguous, TaskNotFound, TaskNotRunning } from "./LookupErrors.ts"
import { ownRole, resolvedTask } from "./ResolvedTask.ts"
import type { Target } from "./Target.ts"
import { isRunning, newestInEachSlot, newestWithContainer } from "./TaskState.ts"

/**
 * Receives the node ID of the task that a lookup has found, before the lookup requests the node's description. Must not wait. A run requests
 * the agents here, at the same time as that description.
 *
 * @category targets
 * @since 0.2.0
 */
export type OnNode = (nodeId: string) => Effect.Effect<void>

/**
 * Options of a lookup.
 *
 * @category targets
 * @since 0.2.0
 */
export interface LookupOptions {
  /** Default: does nothing. */
  readonly onNode?: OnNode
}

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
export const lookupTask = Effect.fn("TaskExec.lookup")(function* (target: Target, options: LookupOptions = {}) {
  const swarm = yield* Swarm
  const found = yield* namingUnread(findTasks(swarm, target))
  return yield* only(swarm, target, found, newestInEachSlot(found.tasks.filter(isRunning)), options)
})

/**
 * Finds the task whose log to read: the running task that {@link lookupTask} finds or, if none runs, the newest task that had a container.
 * An ID also matches a task that was replaced.
 */
export const lookupLog = Effect.fn("TaskExec.lookupLog")(function* (target: Target, options: LookupOptions = {}) {
  const swarm = yield* Swarm
  const found = yield* namingUnread(findTasks(swarm, target, "all"))
  const all = newestWithContainer(found.tasks)
  const running = all.filter(isRunning)
  return yield* only(swarm, target, found, running.length === 0 ? all : running, options)
})

/** Resolves the task that matches. Fails if no task or several tasks match. */
const only = Effect.fnUntraced(function* (
  swarm: SwarmShape,
  target: Target,
  { node, service, tasks }: Found,
  matching: ReadonlyArray<Task>,
  { onNode = () => Effect.void }: LookupOptions
) {
  const [first] = matching
  if (first === undefined) return yield* notRunning(swarm, target, service, tasks)
  if (matching.length > 1) {
    return yield* new TaskAmbiguous({ target: target.text, candidates: yield* candidatesOf(swarm, service, matching) })
  }
  yield* onNode(first.NodeID ?? "")
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
  const [task] = yield* candidatesOf(swarm, service, [newest])
  if (task === undefined) return yield* missing(target, "its task was removed", service)
  const { Err, Message } = newest.Status
  return yield* new TaskNotRunning({ target: target.text, task, reason: Err ?? Message })
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
