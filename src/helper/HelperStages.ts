/** Reports the stages of a helper, from the states of its task. */
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import { beginStage, type Stage } from "../Stage.ts"

/** Reports the stages of one helper. */
export interface HelperStages {
  /** Reports the state of the helper's task. */
  readonly report: (state: string) => Effect.Effect<void>
  /** Ends the stages, because the helper runs or will not run. */
  readonly end: Effect.Effect<void>
}

/** The order of the stages. A state that arrives late does not return to an earlier stage. */
const order: ReadonlyArray<Stage["_tag"]> = ["Place", "Prepare", "Launch"]

/** Begins the first stage, before the helper is created. */
export const openHelperStages = Effect.fnUntraced(function* (
  node: string,
  image: string
): Effect.fn.Return<HelperStages, never, Scope.Scope> {
  const scope = yield* Effect.scope
  let stage: Stage = { _tag: "Place", node }
  let isOver = false
  let end = yield* beginStage(stage)
  const enter = (next: Stage) =>
    Effect.suspend(() => {
      if (isOver || order.indexOf(next._tag) <= order.indexOf(stage._tag)) return Effect.void
      stage = next
      end()
      return Effect.map(Scope.provide(beginStage(next), scope), (endOfNext) => {
        end = endOfNext
      })
    })
  return {
    report: (state) => {
      if (state === "preparing") return enter({ _tag: "Prepare", node, image })
      return state === "ready" || state === "starting" ? enter({ _tag: "Launch", node }) : Effect.void
    },
    end: Effect.sync(() => {
      isOver = true
      end()
    })
  }
})

/** Begins the stage `Start` when the helper runs. Returns a function that ends the stage: call it when the command has started. */
export const startWith = Effect.fnUntraced(function* (
  running: Effect.Effect<void, unknown>
): Effect.fn.Return<() => void, never, Scope.Scope> {
  let isStarted = false
  let end = () => {}
  yield* running.pipe(
    // The helper may report that the command has started before Swarm reports that the helper runs.
    Effect.andThen(Effect.suspend(() => (isStarted ? Effect.succeed(end) : beginStage({ _tag: "Start" })))),
    Effect.tap((endOfStart) =>
      Effect.sync(() => {
        end = endOfStart
      })
    ),
    Effect.ignore,
    Effect.forkScoped
  )
  return () => {
    isStarted = true
    end()
  }
})
