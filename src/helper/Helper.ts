/**
 * Creates, watches and removes a helper: the temporary service that serves a request on the target's node, with the secret that holds the
 * request.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { isNotFound, isSilent, type SwarmFailure } from "../engine/EngineErrors.ts"
import { summaryOf } from "../engine/Hints.ts"
import { Swarm, type SwarmShape } from "../engine/Swarm.ts"
import { isFinalTaskState, type Task } from "../engine/SwarmSchemas.ts"
import { imageCommands } from "../ImageCommands.ts"
import { memoize } from "../internal/memoize.ts"
import type { TaskNode } from "../target/ResolvedTask.ts"
import type { RequestTooLarge } from "./ConnectionErrors.ts"
import { type HelperEnd, mayHaveRun } from "./HelperEnd.ts"
import { type HelperImageUnavailable, HelperNotPlaced, HelperRejected, NodeUnavailable } from "./HelperErrors.ts"
import { refusalOf } from "./HelperRefusal.ts"
import { graceOf, HelperRequest } from "./HelperRequest.ts"
import { openHelperStages } from "./HelperStages.ts"
import { keepLease } from "./Lease.ts"
import { type Network, openTemporaryService } from "./TemporaryService.ts"

/** Milliseconds within which the node must pull the image. */
export const pullTimeout = 300_000
/**
 * Milliseconds within which a helper must end, in addition to the command's grace period. They exceed the 40 seconds within which the
 * container that kills the command's processes must end.
 */
const helperOverhead = 45_000
/** Milliseconds within which Swarm must inform the node, and the node must report. */
const swarmOverhead = 10_000

/** The node and image of a run's helpers. */
export interface HelperPlacement {
  /** Reference of the image, as the node's engine resolves it. */
  readonly image: string
  readonly node: TaskNode
  /** The target task's name, for messages. */
  readonly task: string
  /** Milliseconds within which the node must accept the helper. */
  readonly placementTimeout: number
}

/** Options of {@link openHelper}. */
export interface HelperOptions extends HelperPlacement {
  readonly network: Network
  readonly request: HelperRequest
  /** Runs just before the request to create the helper's service. Default: nothing. */
  readonly creating?: Effect.Effect<void>
}

/** A helper. It is removed, with its secret, when the scope closes. */
export interface Helper {
  /** Name of the service. */
  readonly service: string
  /**
   * Completes when the helper's task runs or has run, or when its service was removed. Fails as soon as it is certain that it won't run.
   */
  readonly running: Effect.Effect<void, HelperStartError | SwarmFailure>
  /** Completes when the helper's task has ended or its node is down. Returns Swarm's text about the end. */
  readonly ended: Effect.Effect<string, SwarmFailure>
  /**
   * Removes the service with its log, and waits until the helper has killed its commands and ended: at most for the longest grace period
   * and 55 seconds.
   */
  readonly stop: Effect.Effect<HelperEnd>
}

/**
 * The errors of a helper that does not start.
 *
 * @category errors
 * @since 0.1.0
 */
export type HelperStartError = HelperImageUnavailable | HelperRejected | HelperNotPlaced | NodeUnavailable

/** Fails if the node can't run a helper. Creates nothing. */
export const checkNode = (task: string, node: TaskNode): Effect.Effect<void, NodeUnavailable> =>
  node.state === "ready" && node.availability === "active"
    ? Effect.void
    : Effect.fail(
        new NodeUnavailable({ task, node: node.hostname, state: node.state, availability: node.availability })
      )

const encodeRequest = Schema.encodeSync(Schema.fromJsonString(HelperRequest))

/** Creates a helper, and removes it with its secret when the scope closes. */
export const openHelper = Effect.fn("TaskExec.helper")(function* (
  options: HelperOptions
): Effect.fn.Return<Helper, RequestTooLarge | SwarmFailure, Swarm | Scope.Scope> {
  const swarm = yield* Swarm
  const { creating = Effect.void, image, network, node, request } = options
  const stages = yield* openHelperStages(node.hostname, image)
  const { remove, spec } = yield* openTemporaryService({
    owner: request.owner,
    role: "helper",
    image,
    command: imageCommands.helper,
    request: encodeRequest(request),
    mode: "single",
    constraints: [`node.id==${node.id}`],
    network,
    creating,
    stopGrace: graceOf(request.work) + helperOverhead,
    // Swarm replaces a helper that was killed, alone or with its engine. The new helper kills the commands that the old one left running,
    // and begins none.
    restarts: "on-failure"
  })
  yield* Effect.forkScoped(keepLease(spec, request.owner))
  const start = awaitStart(swarm, spec.Name, options, stages.report)
  return {
    service: spec.Name,
    running: yield* memoize(Effect.ensuring(start, stages.end)),
    ended: awaitEnded(swarm, spec.Name, node),
    stop: stopHelper(swarm, spec.Name, remove, options)
  }
})

/** Returns the first task of the service. Swarm may add tasks, but these run no command. */
const helperTask = (swarm: SwarmShape, service: string) =>
  Effect.map(swarm.listTasks({ service: [service] }), (tasks): Task | undefined =>
    tasks.toSorted((a, b) => (a.CreatedAt < b.CreatedAt ? -1 : 1)).at(0)
  )

/** Returns the helper's task, or `Removed` if another program has removed the service. */
const taskUnlessRemoved = (swarm: SwarmShape, service: string) =>
  helperTask(swarm, service).pipe(
    Effect.map((task) => ({ task })),
    Effect.catchIf(isNotFound, () => Effect.succeed("Removed" as const))
  )

const isUp = (task: Task): boolean => ["running", "complete", "failed", "shutdown"].includes(task.Status.State)

/** The pause between two looks at a helper's task, in milliseconds. Each pause is `pauseGrowth` times as long as the previous one. */
const firstPause = 50
const longestPause = 250
const pauseGrowth = 1.25
/** The number of polls of the task for each check of its node. */
const pollsPerNodeCheck = 10

/**
 * Polls until the helper's task runs or has run. Fails as soon as it is certain that it won't run. Calls `report` with each state. If many
 * runs start at once, each takes longer and polls less often. The command's output does not wait for this.
 */
const awaitStart = Effect.fnUntraced(function* (
  swarm: SwarmShape,
  service: string,
  options: HelperOptions,
  report: (state: string) => Effect.Effect<void>
) {
  const { node, placementTimeout } = options
  const start = yield* Clock.currentTimeMillis
  let pause = firstPause
  for (let polls = 1; ; polls++) {
    const found = yield* taskUnlessRemoved(swarm, service)
    if (found === "Removed") return
    const { task } = found
    const { State: state, Message, Err } = task?.Status ?? { State: "new", Message: "", Err: undefined }
    const reason = Err ?? Message
    yield* report(state)
    if (task !== undefined && isUp(task)) return
    const after = (yield* Clock.currentTimeMillis) - start
    if (task?.Status.State === "rejected") return yield* refusalOf(options.image, node.hostname, task.Status)
    const isAccepted = state === "preparing" || state === "ready" || state === "starting"
    if (after > (isAccepted ? pullTimeout : placementTimeout)) {
      return yield* new HelperNotPlaced({ node: node.hostname, after, state, reason })
    }
    if (polls % pollsPerNodeCheck === 0 && (yield* isDown(swarm, node))) {
      const { availability, hostname } = node
      return yield* new NodeUnavailable({ task: options.task, node: hostname, state: "down", availability })
    }
    yield* Effect.sleep(pause)
    pause = Math.min(pause * pauseGrowth, longestPause)
  }
})

/** Whether the error says that the engine remaps user namespaces and so refuses containers on the host network. */
export const isHostNetworkRefused = (error: { readonly _tag: string }): boolean =>
  error instanceof HelperRejected && /host's network namespace when user namespaces are enabled/.test(error.reason)

const isDown = (swarm: SwarmShape, node: TaskNode) =>
  swarm.inspectNode(node.id).pipe(
    Effect.map((now) => now.Status.State === "down"),
    // Not found: the node was removed from the swarm.
    Effect.catchIf(isNotFound, () => Effect.succeed(true))
  )

/** Retries while the managers are unreachable. The swarm elects a new leader after about 10 s, and the helper continues meanwhile. */
const retrying = <A, E extends { readonly _tag: string }, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.retry(effect, {
    schedule: Schedule.spaced("1 second").pipe(Schedule.upTo({ duration: "60 seconds" })),
    while: (error) => (error._tag === "EngineUnreachable" || error._tag === "EngineError") && !isSilent(error)
  })

const awaitEnded = Effect.fnUntraced(function* (swarm: SwarmShape, service: string, node: TaskNode) {
  while (true) {
    const found = yield* retrying(taskUnlessRemoved(swarm, service))
    if (found === "Removed" || found.task === undefined) return "its service was removed"
    const { State, Message, Err } = found.task.Status
    if (isFinalTaskState(State)) return `${State}: ${Err ?? Message}`
    if (yield* retrying(isDown(swarm, node))) return `node ${node.hostname} is down`
    yield* Effect.sleep("1 second")
  }
})

/**
 * Removes the service, and waits until its tasks have ended. Swarm sends the helper the stop signal and, after the grace period, KILL. It
 * then deletes the tasks.
 */
const stopHelper = (
  swarm: SwarmShape,
  service: string,
  remove: Effect.Effect<void, SwarmFailure>,
  { node, request }: HelperOptions
): Effect.Effect<HelperEnd> =>
  Effect.gen(function* () {
    const tasks = yield* swarm.listTasks({ service: [service] })
    // If another program removed the service, Swarm stops its tasks, too.
    yield* Effect.catchIf(remove, isNotFound, () => Effect.void)
    const ran = yield* Effect.forEach(tasks, (task) => awaitTaskEnded(swarm, task, node))
    if (ran.includes("NodeDown")) return unconfirmedEnd(`node ${node.hostname} is down`)
    return ran.includes("Ran") ? ({ _tag: "Ended" } as const) : ({ _tag: "NeverRan" } as const)
  }).pipe(
    // Swarm does not list the tasks of a service that another program removed.
    Effect.catchIf(isNotFound, () => Effect.succeed(unconfirmedEnd("the helper's service was removed"))),
    Effect.timeoutOrElse({
      duration: graceOf(request.work) + helperOverhead + swarmOverhead,
      orElse: () => Effect.succeed(unconfirmedEnd(`the helper on node ${node.hostname} has not stopped yet`))
    }),
    Effect.withSpan("TaskExec.stop"),
    // The inventory also reports the service that can't be removed.
    Effect.catch((error) =>
      Effect.succeed(unconfirmedEnd(`cannot stop the helper on node ${node.hostname}: ${summaryOf(error)}`))
    )
  )

const unconfirmedEnd = (detail: string): HelperEnd => ({ _tag: "Unconfirmed", detail })

/** Polls until a task of a removed service has ended, or its node is down. Returns whether the task ran. */
const awaitTaskEnded = Effect.fnUntraced(function* (swarm: SwarmShape, { ID, Status }: Task, node: TaskNode) {
  const statuses = [Status]
  const ran = () => (mayHaveRun(statuses) ? ("Ran" as const) : ("NeverRan" as const))
  if (isFinalTaskState(Status.State)) return ran()
  for (let wait = 50; ; wait = Math.min(wait * 1.5, 250)) {
    const task = yield* Effect.catchIf(swarm.inspectTask(ID), isNotFound, () => Effect.succeed(undefined))
    if (task === undefined) return ran()
    statuses.push(task.Status)
    if (isFinalTaskState(task.Status.State)) return ran()
    if (yield* isDown(swarm, node)) return "NodeDown" as const
    yield* Effect.sleep(wait)
  }
})
