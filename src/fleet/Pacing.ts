/** Paces jobs: limits how many run at the same time and how fast they start, and stops starting jobs after failures or a deadline. */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Semaphore from "effect/Semaphore"
import { type Amount, countOf } from "./Amount.ts"

/** Options of {@link paced}. */
export interface Pacing {
  /** The most jobs at the same time. */
  readonly parallel: Amount
  /** The least time between two starts. */
  readonly delay: Duration.Duration
  /** Start no more jobs when more than this many have failed. With 0, the first failure is enough. Default: start all. */
  readonly maxFailures?: Amount
  /** The time after which no more jobs are started. */
  readonly deadline?: Duration.Duration
}

/** What to do with each job. */
export interface Work<Job, A, R> {
  /** Runs a job. `begun` reports that the job begins later than `run` was called: the delay until the next start counts from then. */
  readonly run: (job: Job, begun: Effect.Effect<void>) => Effect.Effect<A, never, R>
  /** Whether a result of `run` counts as a failure. */
  readonly isFailure: (result: A) => boolean
  /** Returns the result of a job that is not started. */
  readonly onSkipped: (job: Job, reason: "failures" | "deadline") => Effect.Effect<A, never, R>
}

/**
 * Starts the jobs in order, and returns their results in the same order. After too many failures, running jobs continue to their end. An
 * interrupt interrupts the running jobs.
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
  /** The earliest start of the next job. */
  let turn = begin

  const begun = Effect.map(Clock.currentTimeMillis, (now) => {
    turn = Math.max(turn, now + delay)
  })

  // One job at a time waits for its turn, in the order of the jobs. Returns the reason if the job must not start.
  const turns = yield* Semaphore.make(1)
  const awaitTurn = Effect.gen(function* () {
    let now = yield* Clock.currentTimeMillis
    while (failures <= allowed && now < turn && turn < end) {
      yield* Effect.timeoutOption(Deferred.await(tooMany), turn - now)
      now = yield* Clock.currentTimeMillis
    }
    if (failures > allowed) return "failures"
    // The deadline comes before the job's turn, so the job need not wait.
    if (Math.max(now, turn) >= end) return "deadline"
    turn = now + delay
    return now
  })

  const runJob = Effect.fnUntraced(function* (job: Job): Effect.fn.Return<A, never, R> {
    const start = yield* turns.withPermit(awaitTurn)
    if (typeof start === "string") return yield* work.onSkipped(job, start)
    const result = yield* work.run(job, begun)
    if (!work.isFailure(result)) return result
    failures++
    if (failures > allowed) yield* Deferred.succeed(tooMany, undefined)
    return result
  })

  return yield* Effect.forEach(jobs, runJob, { concurrency: Math.max(1, countOf(pacing.parallel, jobs.length)) })
})
