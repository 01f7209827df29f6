import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import { TestClock } from "effect/testing"
import { memoize } from "../../../src/internal/memoize.ts"

describe("memoize", () => {
  it.effect("runs the effect once, on first use, and returns its result to all users", () =>
    Effect.gen(function* () {
      let runs = 0
      const memoized = yield* memoize(Effect.sync(() => ++runs))
      assert.strictEqual(runs, 0)
      assert.deepStrictEqual(yield* Effect.all([memoized, memoized], { concurrency: 2 }), [1, 1])
      assert.strictEqual(yield* memoized, 1)
    })
  )

  it.effect("does not interrupt the effect with its first user", () =>
    Effect.gen(function* () {
      const memoized = yield* memoize(Effect.as(Effect.sleep("1 second"), "done"))
      const [first, second] = [yield* Effect.forkChild(memoized), yield* Effect.forkChild(memoized)]
      yield* TestClock.adjust("500 millis")
      yield* Fiber.interrupt(first)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* Fiber.join(second), "done")
    })
  )

  it.effect("fails for all users, and interrupts the effect when the scope closes", () =>
    Effect.gen(function* () {
      const failing = yield* memoize(Effect.fail("no"))
      assert.deepStrictEqual([yield* Effect.flip(failing), yield* Effect.flip(failing)], ["no", "no"])
      let isInterrupted = false
      const begun = yield* Latch.make()
      const waiting = yield* Effect.scoped(
        Effect.gen(function* () {
          const wait = Effect.onInterrupt(Effect.never, () => Effect.sync(() => (isInterrupted = true)))
          const fiber = yield* Effect.forkDetach(yield* memoize(Effect.andThen(begun.open, wait)))
          yield* begun.await
          return fiber
        })
      )
      assert.isTrue(isInterrupted)
      yield* Fiber.interrupt(waiting)
    })
  )
})
