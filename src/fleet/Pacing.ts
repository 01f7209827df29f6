/** One job after the other, several at once: how many, how fast, and when no more are started. */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Semaphore from "effect/Semaphore"
import { type Amount, countOf } from "./Amount.ts"

/** How jobs are paced. */
export interface Pacing {
  /** The largest number of commands at once. */
  readonly parallel: Amount
  /** At least this between one's start and the next one's. */
  readonly delay: Duration.Duration
  /** No more are started when more than these have failed; without it all are. None at all: the first failure is enough. */
  readonly maxFailures?: Amount
  /** For all of them together: then no more are started. */
  readonly deadline?: Duration.Duration
}

/** What is done for a job, and what becomes of those for which it isn't. */
export interface Work<Job, A, R> {
  /** `begun` is to be called when what is done really begins, if that is later: the next one's delay counts from there. */
  readonly run: (job: Job, begun: Effect.Effect<void>) => Effect.Effect<A, never, R>
  /** Whether a result of `run` counts as a failure. */
  readonly isFailure: (result: A) => boolean
  /** The result of a job that was not started. */
  readonly onSkipped: (job: Job, reason: "failures" | "deadline") => Effect.Effect<A, never, R>
}

/**
 * Starts the jobs in their order and gives a result for each, in the same order. Those that run when there have been too
 * many failures go on to their end. Interrupted, it interrupts what runs and starts nothing more.
 */
export const paced = Effect.fnUntraced(function* <Job, A, R>(
  jobs: ReadonlyArray<Job>,
  pacing: Pacing,
  work: Work<Job, A, R>
): Effect.fn.Return<ReadonlyArray<A>, never, R> {
  const begin = yield* Clock.currentTimeMillis
  const end = pacing.deadline === undefined ? Number.POSITIVE_INFINITY : begin + Duration.toMillis(pacing.deadline)
  const delay = Duration.toMillis(pacing.delay)
  const allowed = pacing.maxFailures === undefined ? Number.POSITIVE_INFINITY : countOf(pacing.maxFailures, jobs.length)
  const tooMany = yield* Deferred.make<void>()
  let failures = 0
  /** When the next one may start. */
  let turn = begin

  const begun = Effect.map(Clock.currentTimeMillis, (now) => {
    turn = Math.max(turn, now + delay)
  })

  // One job at a time waits for its turn, in the order of the jobs. Returns its start in milliseconds, or why it must not start.
  const turns = yield* Semaphore.make(1)
  const awaitTurn = Effect.gen(function* () {
    let now = yield* Clock.currentTimeMillis
    while (failures <= allowed && now < turn && turn < end) {
      yield* Effect.timeoutOption(Deferred.await(tooMany), turn - now)
      now = yield* Clock.currentTimeMillis
    }
    if (failures > allowed) return "failures"
    // Known now, so nobody waits for it.
    if (Math.max(now, turn) >= end) return "deadline"
    turn = now + delay
    return now
  })

  const one = Effect.fnUntraced(function* (job: Job): Effect.fn.Return<A, never, R> {
    const start = yield* turns.withPermit(awaitTurn)
    if (typeof start === "string") return yield* work.onSkipped(job, start)
    const result = yield* work.run(job, begun)
    if (!work.isFailure(result)) return result
    failures++
    if (failures > allowed) yield* Deferred.succeed(tooMany, undefined)
    return result
  })

  return yield* Effect.forEach(jobs, one, { concurrency: Math.max(1, countOf(pacing.parallel, jobs.length)) })
})
