/** One job after the other, several at once: how many, how fast, and when no more are started. */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { type Amount, countOf } from "./Amount.ts"

/** How jobs are paced. */
export interface Pacing {
  /** At most so many at once. */
  readonly parallel: Amount
  /** At least this between one's start and the next one's. */
  readonly delay: Duration.Duration
  /** No more are started when more than these have failed; without it all are. None at all: the first failure is enough. */
  readonly maxFailures?: Amount
  /** For all of them together: then no more are started, and those that run are to end. */
  readonly deadline?: Duration.Duration
}

/** What is done for a job, and what becomes of those for which it isn't. */
export interface Work<Job, A, R> {
  /** `left`: milliseconds until time is up, infinite without a deadline. To end then is its own affair. */
  readonly run: (job: Job, left: number) => Effect.Effect<A, never, R>
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

  const one = Effect.fnUntraced(function* (job: Job): Effect.fn.Return<A, never, R> {
    if (failures > allowed) return yield* work.onSkipped(job, "failures")
    const now = yield* Clock.currentTimeMillis
    const start = Math.max(now, turn)
    // Known now, so nobody waits for it.
    if (start >= end) return yield* work.onSkipped(job, "deadline")
    // Taken at once: who comes next, comes later.
    turn = start + delay
    if (start > now) {
      const stopped = yield* Effect.timeoutOption(Deferred.await(tooMany), start - now)
      if (Option.isSome(stopped)) return yield* work.onSkipped(job, "failures")
    }
    // A late start, on a busy machine, ends no later.
    const result = yield* work.run(job, Math.max(0, end - (yield* Clock.currentTimeMillis)))
    if (!work.isFailure(result)) return result
    failures++
    if (failures > allowed) yield* Deferred.succeed(tooMany, undefined)
    return result
  })

  return yield* Effect.forEach(jobs, one, { concurrency: Math.max(1, countOf(pacing.parallel, jobs.length)) })
})
