import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import { openHelperStages, startWith } from "../../../src/helper/HelperStages.ts"
import { StageObserver } from "../../../src/Stage.ts"

/** The stages that observers see during an effect. */
const observedStages = <A, E, R>(effect: Effect.Effect<A, E, R>) => {
  const stages: Array<string> = []
  return Effect.as(effect, stages).pipe(
    Effect.provideService(StageObserver, {
      began: ({ _tag }) => void stages.push(`+${_tag}`),
      ended: ({ _tag }) => void stages.push(`-${_tag}`)
    })
  )
}

const stagesOf = (states: ReadonlyArray<string>) =>
  observedStages(
    Effect.gen(function* () {
      const { end, report: see } = yield* openHelperStages("node-2", "task-exec:1")
      for (const state of states) yield* state === "end" ? end : see(state)
    }).pipe(Effect.scoped)
  )

describe("the stages of a helper", () => {
  it.effect("follow the states of its task", () =>
    Effect.gen(function* () {
      const states = [
        "new",
        "pending",
        "assigned",
        "accepted",
        "preparing",
        "preparing",
        "ready",
        "starting",
        "running"
      ]
      const all = ["+Place", "-Place", "+Prepare", "-Prepare", "+Launch", "-Launch"]
      assert.deepStrictEqual(yield* stagesOf([...states, "end"]), all)
      assert.deepStrictEqual(yield* stagesOf(["new", "running", "end"]), ["+Place", "-Place"])
    })
  )

  it.effect("ignore old states", () =>
    Effect.gen(function* () {
      const late = ["preparing", "starting", "preparing", "end", "starting"]
      const all = ["+Place", "-Place", "+Prepare", "-Prepare", "+Launch", "-Launch"]
      assert.deepStrictEqual(yield* stagesOf(late), all)
    })
  )

  it.effect("begin Start when the helper runs, unless the command has started before", () =>
    Effect.gen(function* () {
      const program = (isFirst: boolean) =>
        Effect.gen(function* () {
          const running = yield* Deferred.make<void>()
          const started = yield* startWith(Deferred.await(running))
          if (isFirst) started()
          yield* Deferred.succeed(running, undefined)
          yield* Effect.yieldNow
          yield* Effect.yieldNow
          started()
        }).pipe(Effect.scoped)
      assert.deepStrictEqual(yield* observedStages(program(false)), ["+Start", "-Start"])
      assert.deepStrictEqual(yield* observedStages(program(true)), [])
    })
  )
})
