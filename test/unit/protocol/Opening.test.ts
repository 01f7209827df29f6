import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { makeOpening } from "../../../src/protocol/Opening.ts"

/** Requests the start of commands. Each result says later whether the request starts it. */
const beginAll = (opening: ReturnType<typeof makeOpening>, indices: ReadonlyArray<number>) =>
  Effect.forEach(indices, (index) => Effect.forkChild(opening.begin(index), { startImmediately: true }))

describe("the commands that begin with a request", () => {
  it.effect("are the first ones, in any order, while later ones need a message", () =>
    Effect.gen(function* () {
      const opening = makeOpening(2)
      const fibers = yield* beginAll(opening, [1, 0])
      assert.deepStrictEqual(yield* opening.ready, [0, 1])
      assert.deepStrictEqual(yield* Effect.forEach(fibers, Fiber.join), [true, true])
      assert.isFalse(yield* opening.begin(2))
    })
  )

  it.effect("do not wait for a command that never begins", () =>
    Effect.gen(function* () {
      const opening = makeOpening(3)
      yield* beginAll(opening, [0, 2])
      opening.leave(1)
      assert.deepStrictEqual(yield* opening.ready, [0, 2])
    })
  )

  it.effect("exclude a command that left while it waited for the others", () =>
    Effect.gen(function* () {
      const opening = makeOpening(2)
      const [first] = yield* beginAll(opening, [0])
      assert(first !== undefined)
      yield* Fiber.interrupt(first)
      opening.leave(0)
      yield* beginAll(opening, [1])
      assert.deepStrictEqual(yield* opening.ready, [1])
    })
  )

  it.effect("are the next one if all of the first ones left", () =>
    Effect.gen(function* () {
      const opening = makeOpening(2)
      opening.leave(0)
      opening.leave(1)
      yield* beginAll(opening, [2])
      assert.deepStrictEqual(yield* opening.ready, [2])
    })
  )

  it.effect("are the first one to begin if pacing starts none at once", () =>
    Effect.gen(function* () {
      const opening = makeOpening(0)
      assert.isTrue(yield* opening.begin(3))
      assert.isFalse(yield* opening.begin(0))
    })
  )
})
