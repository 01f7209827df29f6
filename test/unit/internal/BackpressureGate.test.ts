import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { BackpressureGate } from "../../../src/internal/BackpressureGate.ts"

const mebibyte = 1024 * 1024

describe("BackpressureGate", () => {
  it.effect("blocks the producer above 1 MiB, until the consumer has taken half", () =>
    Effect.gen(function* () {
      const gate = new BackpressureGate()
      gate.add(mebibyte)
      assert.isFalse(gate.isClosed)
      gate.add(1)
      assert.isTrue(gate.isClosed)
      const waiting = yield* Effect.forkChild(gate.await, { startImmediately: true })
      gate.remove(mebibyte / 2)
      assert.isTrue(gate.isClosed)
      assert.isUndefined(waiting.pollUnsafe())
      gate.remove(2)
      assert.isFalse(gate.isClosed)
      yield* Fiber.join(waiting)
      assert.strictEqual(gate.total, mebibyte + 1)
    })
  )

  it.effect("never closes again after it was opened for good", () =>
    Effect.gen(function* () {
      const gate = new BackpressureGate()
      gate.add(2 * mebibyte)
      const waiting = yield* Effect.forkChild(gate.await, { startImmediately: true })
      gate.openForGood()
      yield* Fiber.join(waiting)
      gate.add(100 * mebibyte)
      assert.isFalse(gate.isClosed)
    })
  )
})
