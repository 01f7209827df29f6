/**
 * The stages of a run, sequential or parallel. The {@link StageObserver} in the context receives each stage. Each stage is also a span
 * (`TaskExec.stage.find`, …), with the stage's data as attributes.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import type { PullAmount } from "./engine/PullProgress.ts"
import type { ExecEvent } from "./executor/ExecEvent.ts"

/**
 * A stage of a run. Nodes are host names. A stage holds nothing of the command or its environment.
 *
 * @category stages
 * @since 0.1.0
 */
export type Stage =
  /** The lookup of the target's task. */
  | { readonly _tag: "Find"; readonly target: string }
  /** The wait for the target's task: see `ExecRequest.wait`. */
  | { readonly _tag: "Wait"; readonly target: string }
  /** A one-off task starts: Swarm finds a node, and the node pulls the image if it is missing. */
  | { readonly _tag: "OneOff"; readonly target: string }
  /** Tunnel only: the network is created. */
  | { readonly _tag: "Network" }
  /** Tunnel only: the relay starts on the connected engine. */
  | { readonly _tag: "Relay" }
  /** A part of `Relay`: the connected engine pulls the missing image. */
  | { readonly _tag: "Pull"; readonly image: string }
  /** The helper's service is created, and Swarm assigns its task to the node. */
  | { readonly _tag: "Place"; readonly node: string }
  /**
   * The node prepares the helper: it pulls the image if it is missing, and creates the container. Swarm reports no details and no progress
   * of this stage.
   */
  | { readonly _tag: "Prepare"; readonly node: string; readonly image: string }
  /** The node starts the helper. */
  | { readonly _tag: "Launch"; readonly node: string }
  /** Tunnel only: the caller connects to the helper's listener. */
  | { readonly _tag: "Connect"; readonly node: string }
  /** The command starts. */
  | { readonly _tag: "Start" }
  /** The command runs. */
  | { readonly _tag: "Run" }

/**
 * Observes the stages of the runs in its context: for progress displays and timings. Default: no observer.
 *
 * **Details**: each stage that began also ends, whatever the result of the run. Both calls receive the same object. A run that kills its
 * command through a second helper also reports the stages of that helper. After the last stage, the run removes what it created.
 *
 * **Gotchas**: the calls are synchronous. They must neither block nor throw.
 *
 * @example
 * ```ts
 * import * as Effect from "effect/Effect"
 * import { StageObserver, TaskExec } from "task-exec"
 *
 * const observed = TaskExec.run({ target: "web.2", command: ["true"] }).pipe(
 *   Effect.provideService(StageObserver, { began: ({ _tag }) => console.error(_tag), ended: () => undefined })
 * )
 * ```
 *
 * @category stages
 * @since 0.1.0
 */
export class StageObserver extends Context.Reference<{
  readonly began: (stage: Stage) => void
  readonly ended: (stage: Stage) => void
  /** The progress of a stage, if it is known: for `Pull`, from the layers that the engine reports. */
  readonly progressed?: (stage: Stage, amount: PullAmount) => void
}>("task-exec/StageObserver", { defaultValue: () => ({ began: () => undefined, ended: () => undefined }) }) {}

const spanOf = ({ _tag, ...attributes }: Stage) => [`TaskExec.stage.${_tag.toLowerCase()}`, { attributes }] as const

/** Reports a stage while an effect runs. */
export const inStage =
  (stage: Stage) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.flatMap(StageObserver, (observer) =>
      Effect.acquireUseRelease(
        Effect.sync(() => observer.began(stage)),
        () => effect,
        () => Effect.sync(() => observer.ended(stage))
      )
    ).pipe(Effect.withSpan(...spanOf(stage)))

/** Begins a stage. The stage ends when the returned function is called or the scope closes. */
export const beginStage = Effect.fnUntraced(function* (stage: Stage): Effect.fn.Return<() => void, never, Scope.Scope> {
  const observer = yield* StageObserver
  const clock = yield* Clock.Clock
  const span = yield* Effect.makeSpan(...spanOf(stage))
  let isOver = false
  const end = () => {
    if (isOver) return
    isOver = true
    observer.ended(stage)
    span.end(clock.currentTimeNanosUnsafe(), Exit.void)
  }
  observer.began(stage)
  yield* Effect.addFinalizer(() => Effect.sync(end))
  return end
}, Effect.uninterruptible)

/**
 * Reports the stage `Run` from a command's events and, with `startsNow`, the stage `Start` before it: helpers and agents report `Start`
 * themselves. Run `end` if the events fail, before the run's objects are removed.
 */
export const commandStages = Effect.fnUntraced(function* (startsNow: boolean) {
  const scope = yield* Effect.scope
  let over = startsNow ? yield* beginStage({ _tag: "Start" }) : () => {}
  const end = Effect.sync(() => over())
  const run = Effect.map(Scope.provide(beginStage({ _tag: "Run" }), scope), (endOfRun) => {
    over = endOfRun
  })
  const see = (event: ExecEvent): Effect.Effect<void> => {
    if (event._tag === "Started") return Effect.andThen(end, run)
    return event._tag === "Exited" || event._tag === "Detached" ? end : Effect.void
  }
  return { see, end }
})
