/** Waits until services have converged: all of their tasks run the current spec. */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { SwarmFailure } from "../engine/EngineErrors.ts"
import { Swarm } from "../engine/Swarm.ts"
import type { Service, TaskDetails } from "../engine/SwarmSchemas.ts"
import { type NothingSelected, servicesOf } from "../fleet/Selection.ts"
import type { ProtectedTarget } from "../policy/PolicyErrors.ts"
import { millis } from "../request/CheckedRequest.ts"
import type { InvalidRequest } from "../request/InvalidRequest.ts"
import { ConvergeTimedOut, ServiceNotConverged } from "./ConvergeErrors.ts"
import { judge, type ServiceProgress, type Verdict } from "./ServiceProgress.ts"

/**
 * What to wait for.
 *
 * @category convergence
 * @since 0.2.0
 */
export interface ConvergeRequest {
  /** Names, IDs, or unique prefixes of IDs. */
  readonly services?: ReadonlyArray<string>
  /** All services of this stack. Without services and a stack: all services of the swarm. */
  readonly stack?: string
  /** Time after which to fail with {@link ConvergeTimedOut}. Without it the wait is not bounded. */
  readonly timeout?: Duration.Input
}

/**
 * The errors of a wait for services.
 *
 * @category errors
 * @since 0.2.0
 */
export type ConvergeError =
  | InvalidRequest
  | ConvergeTimedOut
  | ServiceNotConverged
  | NothingSelected
  | ProtectedTarget
  | SwarmFailure

/** The least pause between two polls of the managers, in milliseconds. */
const pause = 500
/** The pause is at least this many times as long as the last poll took, so that polls do not load the managers. */
const pauseFactor = 10

/**
 * Watches services until all of them have converged. Emits the progress of every service after each poll of the managers; the last
 * element is the one in which all have converged.
 *
 * **Details**: a service has converged when its update is over and its wanted number of tasks are up: they run the current spec, have run
 * for 5 seconds, and are healthy if there is a health check. A task that Swarm does not restart (a job's, or one with the restart condition
 * `none` or `on-failure`) may have completed instead. A service that converged long ago passes at the first poll.
 *
 * Fails with `ServiceNotConverged` as soon as a service won't converge by itself, with `ConvergeTimedOut`, with `NothingSelected` if the
 * service or stack does not exist, with `InvalidRequest` for an invalid timeout, and with the engine's errors.
 *
 * **Gotchas**: Swarm keeps the state `rollback completed` until the service is changed the next time, also after a rollback that a user
 * asked for. Such a service fails.
 *
 * @example
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as Stream from "effect/Stream"
 * import { Swarm, watchConvergence } from "task-exec"
 *
 * const deployed = watchConvergence({ stack: "shop", timeout: "10 minutes" }).pipe(
 *   Stream.runDrain,
 *   Effect.provide(Swarm.layer)
 * )
 * ```
 *
 * @category convergence
 * @since 0.2.0
 */
export const watchConvergence = (
  request: ConvergeRequest
): Stream.Stream<ReadonlyArray<ServiceProgress>, ConvergeError, Swarm> => Stream.unwrap(watch(request))

const watch = Effect.fn("TaskExec.converge")(function* ({ services: words = [], stack, timeout }: ConvergeRequest) {
  const began = yield* Clock.currentTimeMillis
  let last: ReadonlyArray<ServiceProgress> = []
  const after = timeout === undefined ? Number.POSITIVE_INFINITY : yield* millis("timeout", timeout)
  const timedOut = Effect.suspend(() =>
    Effect.fail(new ConvergeTimedOut({ after, services: last.filter(({ isConverged }) => !isConverged) }))
  )
  const inTime = Effect.fnUntraced(function* <A, E, R>(effect: Effect.Effect<A, E, R>) {
    const left = began + after - (yield* Clock.currentTimeMillis)
    return yield* Effect.timeoutOrElse(effect, { duration: Math.max(0, left), orElse: () => timedOut })
  })
  const all = yield* inTime(Swarm.use((swarm) => swarm.listServices({})))
  const chosen = yield* servicesOf({ services: all, nodes: [], tasks: [] }, words, stack)
  const poll = makePoll(chosen, began)
  return Stream.paginate(
    0,
    Effect.fnUntraced(function* (wait: number) {
      const [duration, verdicts] = yield* inTime(Effect.delay(Effect.timed(poll), wait))
      for (const { failure, progress } of verdicts) {
        if (failure !== undefined) return yield* new ServiceNotConverged({ service: progress.service, detail: failure })
      }
      last = verdicts.map(({ progress }) => progress)
      const isOver = last.every(({ isConverged }) => isConverged)
      const next = Math.max(pause, pauseFactor * Duration.toMillis(duration))
      return [[last], isOver ? Option.none<number>() : Option.some(next)] as const
    })
  )
})

/**
 * The most milliseconds by which the clocks of a manager and of this machine may differ. Only an age above it is taken from the clocks.
 * Otherwise, the time since the task was first seen in its state counts.
 */
const clockTolerance = 60_000

/** Returns the effect that polls the managers for these services once. It remembers when it first saw each task in its state. */
const makePoll = (chosen: ReadonlyArray<Service>, began: number) => {
  const firstSeen = new Map<string, { readonly state: string; readonly since: number }>()
  const hostnames = new Map<string, string>()
  return Effect.gen(function* () {
    const swarm = yield* Swarm
    const ids = chosen.map(({ ID }) => ID)
    if (ids.length === 0) return []
    const [services, tasks] = yield* Effect.all(
      [swarm.listServices({ id: ids }), swarm.listTaskDetails({ service: ids })],
      { concurrency: 2 }
    )
    if (tasks.some(({ NodeID }) => NodeID !== undefined && !hostnames.has(NodeID))) {
      for (const { Description, ID } of yield* swarm.listNodes()) hostnames.set(ID, Description.Hostname)
    }
    const now = yield* Clock.currentTimeMillis
    for (const { ID, Status } of tasks) {
      if (firstSeen.get(ID)?.state !== Status.State) firstSeen.set(ID, { state: Status.State, since: now })
    }
    const age = ({ ID, UpdatedAt }: TaskDetails) => {
      const byClock = now - Date.parse(UpdatedAt)
      return byClock > clockTolerance ? byClock : now - (firstSeen.get(ID)?.since ?? now)
    }
    const hostname = (id: string) => hostnames.get(id) ?? id
    return yield* Effect.forEach(chosen, ({ ID: id, Spec }): Effect.Effect<Verdict, ServiceNotConverged> => {
      const service = services.find(({ ID }) => ID === id)
      if (service === undefined) {
        return Effect.fail(new ServiceNotConverged({ service: Spec.Name, detail: "it was removed" }))
      }
      const own = tasks.filter(({ ServiceID }) => ServiceID === id)
      return Effect.succeed(judge({ service, tasks: own, hostname, age, watched: now - began }))
    })
  })
}
