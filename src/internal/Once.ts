import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"

/**
 * Runs an effect once, when somebody first asks for it, and gives everybody the result. It runs in the scope in which this
 * was made: whoever asked first may be interrupted (with `Effect.cached` that would be everybody's interruption).
 */
export const once = Effect.fnUntraced(function* <A, E, R>(
  effect: Effect.Effect<A, E, R>
): Effect.fn.Return<Effect.Effect<A, E, Exclude<R, Scope.Scope>>, never, Scope.Scope> {
  const scope = yield* Effect.scope
  const result = yield* Deferred.make<A, E>()
  let isAsked = false
  return Effect.suspend((): Effect.Effect<A, E, Exclude<R, Scope.Scope>> => {
    if (isAsked) return Deferred.await(result)
    isAsked = true
    return Deferred.into(Scope.provide(effect, scope), result).pipe(
      Effect.forkIn(scope),
      Effect.andThen(Deferred.await(result))
    )
  })
})
