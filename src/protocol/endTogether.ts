/** Kills runs on one node together: kills that are requested at the same time become one request. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { EndRun } from "../executor/ExecSpec.ts"
import { type KillResult, unconfirmed } from "../executor/KillResult.ts"

/** At least one run. */
export type Runs = readonly [EndRun, ...ReadonlyArray<EndRun>]

/** Milliseconds for which a kill waits for others. A signal to all commands of a node arrives once for each command. */
const batchDelay = 10

/** Returns a function that kills one run. `endAll` kills several runs and returns their kill results, in order. */
export const endTogether = Effect.fnUntraced(function* <R>(
  endAll: (runs: Runs) => Effect.Effect<ReadonlyArray<KillResult>, never, R>
): Effect.fn.Return<(run: EndRun) => Effect.Effect<KillResult, never, R>, never, Scope.Scope> {
  const scope = yield* Effect.scope
  let waiting: Array<{ readonly run: EndRun; readonly result: Deferred.Deferred<KillResult> }> = []
  const endBatch = Effect.gen(function* () {
    yield* Effect.sleep(batchDelay)
    const batch = waiting
    waiting = []
    const [first, ...more] = batch.map(({ run }) => run)
    if (first === undefined) return
    const killResults = yield* endAll([first, ...more])
    for (const [index, { result }] of batch.entries()) {
      const killResult = killResults[index] ?? unconfirmed("the helper sent no kill result")
      Deferred.doneUnsafe(result, Effect.succeed(killResult))
    }
  })
  return (run) =>
    Effect.suspend(() => {
      const result = Deferred.makeUnsafe<KillResult>()
      waiting.push({ run, result })
      const begin = waiting.length === 1 ? Effect.forkIn(Effect.uninterruptible(endBatch), scope) : Effect.void
      return Effect.andThen(begin, Deferred.await(result))
    })
})
