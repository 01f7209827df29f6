import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"

/**
 * Memoizes an effect: runs it on first use, and returns the result to every user. The effect runs in the scope of this call, so an
 * interruption of the first user does not interrupt the others. With `Effect.cached`, it does.
 */
export const memoize = Effect.fnUntraced(function* <A, E, R>(
  effect: Effect.Effect<A, E, R>
): Effect.fn.Return<Effect.Effect<A, E, Exclude<R, Scope.Scope>>, never, Scope.Scope> {
  const scope = yield* Effect.scope
  const result = yield* Deferred.make<A, E>()
  let isUsed = false
  return Effect.suspend((): Effect.Effect<A, E, Exclude<R, Scope.Scope>> => {
    if (isUsed) return Deferred.await(result)
    isUsed = true
    return Deferred.into(Scope.provide(effect, scope), result).pipe(
      Effect.forkIn(scope),
      Effect.andThen(Deferred.await(result))
    )
  })
})
