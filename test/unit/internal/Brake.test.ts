import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { Brake } from "../../../src/internal/Brake.ts"

const mebibyte = 1024 * 1024

describe("Brake", () => {
  it.effect("stops the producer above 1 MiB, until the consumer has taken half", () =>
    Effect.gen(function* () {
      const brake = new Brake()
      brake.held(mebibyte)
      assert.isFalse(brake.isOn)
      brake.held(1)
      assert.isTrue(brake.isOn)
      const waiting = yield* Effect.forkChild(brake.wait, { startImmediately: true })
      brake.taken(mebibyte / 2)
      assert.isTrue(brake.isOn)
      assert.isUndefined(waiting.pollUnsafe())
      brake.taken(2)
      assert.isFalse(brake.isOn)
      yield* Fiber.join(waiting)
      assert.strictEqual(brake.total, mebibyte + 1)
    })
  )

  it.effect("does not stop the producer after it is released", () =>
    Effect.gen(function* () {
      const brake = new Brake()
      brake.held(2 * mebibyte)
      const waiting = yield* Effect.forkChild(brake.wait, { startImmediately: true })
      brake.release()
      yield* Fiber.join(waiting)
      brake.held(100 * mebibyte)
      assert.isFalse(brake.isOn)
    })
  )
})
