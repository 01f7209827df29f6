import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { measureEach } from "../../../bench/EachMeasure.ts"

describe("measureEach", () => {
  it.effect("passes on the figures of each measure before the next one begins, and names those that failed", () =>
    Effect.gen(function* () {
      const order: Array<string> = []
      const measures = {
        start: Effect.succeed(1),
        local: Effect.fail(new Error("no such program")),
        cold: Effect.die(new Error("a wrong answer")),
        agent: Effect.succeed(2)
      }
      const names = ["start", "local", "cold", "agent"] as const
      const failed = yield* measureEach(
        names,
        (name) =>
          Effect.andThen(
            Effect.sync(() => order.push(name)),
            measures[name]
          ),
        (figure) => Effect.sync(() => void order.push(`figure ${figure}`))
      )
      assert.deepStrictEqual(failed, ["local", "cold"])
      assert.deepStrictEqual(order, ["start", "figure 1", "local", "cold", "agent", "figure 2"])
    })
  )

  it.effect("an interruption ends it", () =>
    Effect.gen(function* () {
      const begun: Array<string> = []
      const started = yield* Deferred.make<void>()
      const measure = (name: string) =>
        Effect.sync(() => begun.push(name)).pipe(
          Effect.andThen(Deferred.succeed(started, undefined)),
          Effect.andThen(Effect.never)
        )
      const running = yield* Effect.forkChild(measureEach(["start", "local"], measure, () => Effect.void))
      yield* Deferred.await(started)
      yield* Fiber.interrupt(running)
      assert.isTrue(Exit.hasInterrupts(yield* Fiber.await(running)))
      assert.deepStrictEqual(begun, ["start"])
    })
  )
})
