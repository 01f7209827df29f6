/** The stages of a helper, as Swarm tells of its task. */
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import { beginStage, type Stage } from "../Stage.ts"

/** How far a helper is. */
export interface HelperStages {
  /** Swarm says that its task is in this state. */
  readonly see: (state: string) => Effect.Effect<void>
  /** It runs, or never will. */
  readonly end: Effect.Effect<void>
}

/** They only go on: of two who look the slower one brings old news. */
const order: ReadonlyArray<Stage["_tag"]> = ["Place", "Prepare", "Launch"]

/** It is about to be made. */
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
    see: (state) => {
      if (state === "preparing") return enter({ _tag: "Prepare", node, image })
      return state === "ready" || state === "starting" ? enter({ _tag: "Launch", node }) : Effect.void
    },
    end: Effect.sync(() => {
      isOver = true
      end()
    })
  }
})

/** The stage `Start` begins when the helper runs; gives what is to be called when the command is known to have started. */
export const startWith = Effect.fnUntraced(function* (
  running: Effect.Effect<void, unknown>
): Effect.fn.Return<() => void, never, Scope.Scope> {
  let isStarted = false
  let end = () => {}
  yield* running.pipe(
    // The helper's word for it may be here before Swarm's for the helper.
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
