import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import type * as Pull from "effect/Pull"
import * as Stream from "effect/Stream"

/**
 * Calls `see` with each element, and runs the effect that it returns before the element is emitted.
 *
 * **When to use**: instead of `Stream.tap` if most elements need no effect, such as output. `Stream.tap` emits each element alone, so all
 * later steps are taken once for each element. This keeps arrays together and splits them only at an element with an effect.
 *
 * **Gotchas**: `see` is called for all elements of an array before the first one is emitted, up to one with an effect.
 */
export const tapSome =
  <A, E2 = never, R2 = never>(see: (element: A) => Effect.Effect<unknown, E2, R2> | undefined) =>
  <E, R>(self: Stream.Stream<A, E, R>): Stream.Stream<A, E | E2, R | R2> =>
    Stream.transformPull(self, (pull) =>
      Effect.sync(() => {
        type Next = Pull.Pull<Arr.NonEmptyReadonlyArray<A>, E | E2, void, R2>
        let rest: ReadonlyArray<A> = []
        let next: Next | undefined
        const split = (elements: ReadonlyArray<A>): Next => {
          for (const [at, element] of elements.entries()) {
            const effect = see(element)
            if (effect === undefined) continue
            rest = elements.slice(at + 1)
            const alone = Effect.as(effect, Arr.of(element))
            const before = elements.slice(0, at)
            if (!Arr.isReadonlyArrayNonEmpty(before)) return alone
            next = alone
            return Effect.succeed(before)
          }
          rest = []
          return Arr.isReadonlyArrayNonEmpty(elements) ? Effect.succeed(elements) : Effect.flatMap(pull, split)
        }
        return Effect.suspend((): Next => {
          const due = next
          next = undefined
          return due ?? split(rest)
        })
      })
    )
