import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { tapSome } from "../../../src/internal/tapSome.ts"

const Arrays = Schema.Array(Schema.Array(Schema.Int))

/** A stream of these arrays. */
const of = (arrays: ReadonlyArray<ReadonlyArray<number>>) =>
  Stream.flatMap(Stream.fromIterable(arrays), (array) => Stream.fromArray(array))

describe("tapSome", () => {
  it.effect("keeps an array together if none of its elements has an effect", () =>
    Effect.gen(function* () {
      const seen: Array<number> = []
      const arrays = yield* Stream.fromArray([1, 2, 3]).pipe(
        tapSome((element) => void seen.push(element)),
        Stream.chunks,
        Stream.runCollect
      )
      assert.deepStrictEqual(arrays, [[1, 2, 3]])
      assert.deepStrictEqual(seen, [1, 2, 3])
    })
  )

  it.effect.prop(
    "emits what Stream.tap emits, and runs each effect between the elements before and the element",
    [Arrays],
    ([arrays]) =>
      Effect.gen(function* () {
        const traced = (
          tap: (see: (element: number) => Effect.Effect<void>) => Stream.Stream<number>
        ): Effect.Effect<ReadonlyArray<string>> =>
          Effect.gen(function* () {
            const trace: Array<string> = []
            const see = (element: number) => Effect.sync(() => void trace.push(`effect of ${element}`))
            yield* Stream.runForEach(tap(see), (element) => Effect.sync(() => void trace.push(`${element}`)))
            return trace
          })
        const isEven = (element: number) => element % 2 === 0
        const ours = yield* traced((see) => of(arrays).pipe(tapSome((n) => (isEven(n) ? see(n) : undefined))))
        const theirs = yield* traced((see) => Stream.tap(of(arrays), (n) => (isEven(n) ? see(n) : Effect.void)))
        assert.deepStrictEqual(ours, theirs)
      })
  )

  it.effect("fails with the error of an effect, after the elements before it", () =>
    Effect.gen(function* () {
      const got: Array<number> = []
      const error = yield* Stream.fromArray([1, 2, 3]).pipe(
        tapSome((element) => (element === 2 ? Effect.fail("broken") : undefined)),
        Stream.runForEach((element) => Effect.sync(() => void got.push(element))),
        Effect.flip
      )
      assert.strictEqual(error, "broken")
      assert.deepStrictEqual(got, [1])
    })
  )
})
