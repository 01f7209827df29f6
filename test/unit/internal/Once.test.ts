import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import { TestClock } from "effect/testing"
import { once } from "../../../src/internal/Once.ts"

describe("once", () => {
  it.effect("runs once, at the first use, for all", () =>
    Effect.gen(function* () {
      let runs = 0
      const ask = yield* once(Effect.sync(() => ++runs))
      assert.strictEqual(runs, 0)
      assert.deepStrictEqual(yield* Effect.all([ask, ask], { concurrency: 2 }), [1, 1])
      assert.strictEqual(yield* ask, 1)
    })
  )

  it.effect("continues for the others if the first user is interrupted", () =>
    Effect.gen(function* () {
      const ask = yield* once(Effect.as(Effect.sleep("1 second"), "done"))
      const [first, second] = [yield* Effect.forkChild(ask), yield* Effect.forkChild(ask)]
      yield* TestClock.adjust("500 millis")
      yield* Fiber.interrupt(first)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* Fiber.join(second), "done")
    })
  )

  it.effect("fails for all, and ends with its scope", () =>
    Effect.gen(function* () {
      const failing = yield* once(Effect.fail("no"))
      assert.deepStrictEqual([yield* Effect.flip(failing), yield* Effect.flip(failing)], ["no", "no"])
      let isInterrupted = false
      const begun = yield* Latch.make()
      const waiting = yield* Effect.scoped(
        Effect.gen(function* () {
          const wait = Effect.onInterrupt(Effect.never, () => Effect.sync(() => (isInterrupted = true)))
          const fiber = yield* Effect.forkDetach(yield* once(Effect.andThen(begun.open, wait)))
          yield* begun.await
          return fiber
        })
      )
      assert.isTrue(isInterrupted)
      yield* Fiber.interrupt(waiting)
    })
  )
})
