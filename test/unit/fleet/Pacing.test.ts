import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import { TestClock } from "effect/testing"
import type { Amount } from "../../../src/fleet/Amount.ts"
import { type Pacing, paced, type Work } from "../../../src/fleet/Pacing.ts"

const integer = (minimum: number, maximum: number) =>
  Arbitrary.schema(Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum, maximum }))))

const count = (number: number): Amount => ({ _tag: "Count", count: number })
const percent = (number: number): Amount => ({ _tag: "Percent", percent: number })

/** A job: its duration in seconds, and its end. */
interface Job {
  readonly takes: number
  readonly ends?: "well" | "badly"
}

const jobs = (number: number, takes: number): ReadonlyArray<Job> => Array.from({ length: number }, () => ({ takes }))

/** Records events, in seconds of the test's clock. */
const makeRecord = () => {
  const record = { started: [] as Array<number>, interrupted: 0, running: 0, most: 0 }
  const work: Work<Job, string, never> = {
    run: ({ ends = "well", takes }) =>
      Effect.gen(function* () {
        record.started.push((yield* Clock.currentTimeMillis) / 1000)
        record.running++
        record.most = Math.max(record.most, record.running)
        yield* Effect.sleep(takes * 1000)
        return ends
      }).pipe(
        Effect.onInterrupt(() => Effect.sync(() => record.interrupted++)),
        Effect.ensuring(Effect.sync(() => record.running--))
      ),
    isFailure: (result) => result === "badly",
    onSkipped: (_job, reason) => Effect.succeed(`skipped: ${reason}`)
  }
  return { record, work }
}

/** Runs the jobs to their end. Returns the duration, too. */
const runAll = Effect.fnUntraced(function* (all: ReadonlyArray<Job>, pacing: Partial<Pacing>) {
  const { record, work } = makeRecord()
  const fiber = yield* Effect.forkChild(paced(all, { parallel: count(1), delay: Duration.zero, ...pacing }, work))
  const begin = yield* Clock.currentTimeMillis
  let seconds = 0
  for (; fiber.pollUnsafe() === undefined && seconds < 10_000; seconds++) yield* TestClock.adjust("1 second")
  const results = yield* Fiber.join(fiber)
  return { ...record, started: record.started.map((at) => at - begin / 1000), results, seconds }
})

describe("paced jobs", () => {
  it.effect("run one at a time by default, each with its result", () =>
    Effect.gen(function* () {
      const { most, results, started } = yield* runAll([{ takes: 3 }, { takes: 1, ends: "badly" }, { takes: 2 }], {})
      assert.deepStrictEqual(started, [0, 3, 4])
      assert.deepStrictEqual(results, ["well", "badly", "well"])
      assert.strictEqual(most, 1)
    })
  )

  it.effect("have their results in the order of the jobs", () =>
    Effect.gen(function* () {
      const all: ReadonlyArray<Job> = [{ takes: 9 }, { takes: 1, ends: "badly" }]
      const { results } = yield* runAll(all, { parallel: count(2) })
      assert.deepStrictEqual(results, ["well", "badly"])
    })
  )

  it.effect("have no results if there are none", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual((yield* runAll([], { parallel: percent(50), maxFailures: percent(10) })).results, [])
    })
  )

  it.effect("run several at once, and the next one when one ends", () =>
    Effect.gen(function* () {
      const all = [5, 1, 1, 1, 2].map((takes) => ({ takes }))
      const { most, started } = yield* runAll(all, { parallel: count(2) })
      assert.deepStrictEqual(started, [0, 0, 1, 2, 3])
      assert.strictEqual(most, 2)
    })
  )

  it.effect("run a percentage of them at once", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* runAll(jobs(10, 1), { parallel: percent(25) })).most, 3)
      assert.strictEqual((yield* runAll(jobs(10, 1), { parallel: percent(1) })).most, 1)
    })
  )

  it.effect("start with the first one at once, and each other one at least the delay later", () =>
    Effect.gen(function* () {
      const delay = Duration.seconds(10)
      const free = yield* runAll(jobs(4, 1), { parallel: count(4), delay })
      assert.deepStrictEqual(free.started, [0, 10, 20, 30])
      // The delay is no pause after an end: the next job follows a slow one at once.
      const slow = yield* runAll([{ takes: 15 }, { takes: 1 }, { takes: 1 }], { delay })
      assert.deepStrictEqual(slow.started, [0, 15, 25])
    })
  )

  it.effect("keep the delay to the millisecond", () =>
    Effect.gen(function* () {
      const { record, work } = makeRecord()
      const pacing = { parallel: count(9), delay: Duration.millis(1500) }
      const fiber = yield* Effect.forkChild(paced(jobs(3, 0), pacing, work))
      yield* TestClock.adjust(1499)
      assert.lengthOf(record.started, 1)
      yield* TestClock.adjust(1)
      assert.lengthOf(record.started, 2)
      yield* TestClock.adjust(1499)
      assert.lengthOf(record.started, 2)
      yield* TestClock.adjust(1)
      yield* Fiber.join(fiber)
    })
  )

  it.effect("stop at the first failure, while running jobs continue", () =>
    Effect.gen(function* () {
      const all: ReadonlyArray<Job> = [{ takes: 2, ends: "badly" }, { takes: 5 }, ...jobs(3, 1)]
      const { interrupted, results, seconds } = yield* runAll(all, { parallel: count(2), maxFailures: count(0) })
      const skipped = "skipped: failures"
      assert.deepStrictEqual(results, ["badly", "well", skipped, skipped, skipped])
      assert.strictEqual(interrupted, 0)
      assert.strictEqual(seconds, 5)
    })
  )

  it.effect("end the wait for the next start at a failure", () =>
    Effect.gen(function* () {
      const all: ReadonlyArray<Job> = [{ takes: 2, ends: "badly" }, ...jobs(3, 1)]
      const pacing = { parallel: count(4), delay: Duration.hours(1), maxFailures: count(0) }
      const { results, seconds } = yield* runAll(all, pacing)
      assert.deepStrictEqual(
        results.slice(1),
        Array.from({ length: 3 }, () => "skipped: failures")
      )
      assert.strictEqual(seconds, 2)
    })
  )

  it.effect("may fail up to a number or percentage, or all without a limit", () =>
    Effect.gen(function* () {
      const bad: ReadonlyArray<Job> = Array.from({ length: 10 }, () => ({ takes: 1, ends: "badly" }))
      const cases = [
        [count(0), 1],
        [count(2), 3],
        [percent(0), 1],
        [percent(20), 3],
        [percent(21), 4],
        [percent(100), 10]
      ] as const
      for (const [maxFailures, ran] of cases) {
        const { results } = yield* runAll(bad, { maxFailures })
        assert.strictEqual(results.filter((result) => result === "badly").length, ran)
      }
      assert.lengthOf((yield* runAll(bad, {})).started, 10)
    })
  )

  it.effect("start no more at the deadline, while running jobs continue", () =>
    Effect.gen(function* () {
      const all = [2, 9, 9, 1].map((takes) => ({ takes }))
      const deadline = Duration.seconds(5)
      const { results, seconds } = yield* runAll(all, { parallel: count(2), deadline })
      assert.deepStrictEqual(results, ["well", "well", "well", "skipped: deadline"])
      assert.strictEqual(seconds, 11)
    })
  )

  it.effect("wait for no turn after the deadline", () =>
    Effect.gen(function* () {
      const pacing = { parallel: count(4), delay: Duration.seconds(30), deadline: Duration.seconds(60) }
      const { results, seconds, started } = yield* runAll(jobs(4, 1), pacing)
      assert.deepStrictEqual(started, [0, 30])
      assert.deepStrictEqual(results, ["well", "well", "skipped: deadline", "skipped: deadline"])
      assert.strictEqual(seconds, 31)
    })
  )

  it.effect("count the delay from the real start of a job", () =>
    Effect.gen(function* () {
      const begins: Array<number> = []
      const work: Work<number, string, never> = {
        run: (job, begun) =>
          Effect.gen(function* () {
            if (job === 0) yield* Effect.sleep("5 seconds")
            yield* begun
            begins.push((yield* Clock.currentTimeMillis) / 1000)
            return "well"
          }),
        isFailure: () => false,
        onSkipped: () => Effect.succeed("skipped")
      }
      const fiber = yield* Effect.forkChild(paced([0, 1, 2], { parallel: count(1), delay: Duration.seconds(2) }, work))
      for (let second = 0; second < 20; second++) yield* TestClock.adjust("1 second")
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(begins, [5, 7, 9])
    })
  )

  it.effect("end at an interruption, which starts no more", () =>
    Effect.gen(function* () {
      const { record, work } = makeRecord()
      const pacing = { parallel: count(3), delay: Duration.seconds(1) }
      const fiber = yield* Effect.forkChild(paced(jobs(9, 60), pacing, work))
      yield* TestClock.adjust("1500 millis")
      assert.strictEqual(record.running, 2)
      yield* Fiber.interrupt(fiber)
      assert.strictEqual(record.interrupted, 2)
      yield* TestClock.adjust("1 hour")
      assert.lengthOf(record.started, 2)
    })
  )

  const anyJob = Arbitrary.map(
    Arbitrary.all([integer(0, 6), integer(0, 3)]),
    ([takes, dice]): Job => ({ takes, ends: dice === 0 ? "badly" : "well" })
  )

  it.effect.prop(
    "keep order, number, delay, failures and deadline, whatever the jobs are",
    [Arbitrary.array(anyJob, { maxLength: 12 }), integer(1, 4), integer(0, 3), integer(0, 3), integer(1, 20)],
    ([all, parallel, delay, maxFailures, deadline]) =>
      Effect.gen(function* () {
        const { most, results, started } = yield* runAll(all, {
          parallel: count(parallel),
          delay: Duration.seconds(delay),
          maxFailures: count(maxFailures),
          deadline: Duration.seconds(deadline)
        })
        assert.isAtMost(most, parallel)
        for (const time of started) assert.isBelow(time, deadline)
        for (const [at, time] of started.slice(1).entries()) assert.isAtLeast(time - (started[at] ?? 0), delay)
        const ran = results.findIndex((result) => result.startsWith("skipped"))
        assert.lengthOf(started, ran < 0 ? all.length : ran)
        for (const [at, result] of results.entries()) {
          if (ran >= 0 && at >= ran) assert.match(result, /^skipped/)
          else assert.strictEqual(result, all[at]?.ends)
        }
        const failed = results.filter((result) => result === "badly").length
        assert.isAtMost(failed, maxFailures + parallel)
        if (results.includes("skipped: failures")) assert.isAbove(failed, maxFailures)
      }),
    { arbitrary: { runs: 60 } }
  )

  it.live("may be ten thousand, at once or one at a time", () =>
    Effect.gen(function* () {
      const all = Array.from({ length: 10_000 }, (_, at) => at)
      const work: Work<number, number, never> = {
        run: (job) => Effect.as(Effect.yieldNow, job),
        isFailure: () => false,
        onSkipped: (job) => Effect.succeed(job)
      }
      const pacing = { delay: Duration.zero, maxFailures: count(0), deadline: Duration.minutes(1) }
      for (const parallel of [count(1), count(50), percent(100)]) {
        assert.deepStrictEqual(yield* paced(all, { ...pacing, parallel }, work), all)
      }
    })
  )
})
