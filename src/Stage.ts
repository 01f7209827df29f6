/**
 * The stages of a run, one after the other or beside each other. Each is told to the {@link StageObserver} in the context, and
 * is a span of its own (`TaskExec.stage.find`, …), whose attributes are the stage's data.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import type { PullAmount } from "./engine/PullProgress.ts"
import type { ExecEvent } from "./executor/ExecEvent.ts"

/** What a run currently does. Nodes are host names. Nothing in it comes from the command line or the environment. */
export type Stage =
  /** The task that the target names is looked for. */
  | { readonly _tag: "Find"; readonly target: string }
  /** The same, while it need not run yet: see `ExecRequest.wait`. */
  | { readonly _tag: "Wait"; readonly target: string }
  /** Tunnel only: its network is made. */
  | { readonly _tag: "Network" }
  /** Tunnel only: its relay starts on the connected engine. */
  | { readonly _tag: "Relay" }
  /** A part of `Relay`: the connected engine pulls the image, which it does not have. */
  | { readonly _tag: "Pull"; readonly image: string }
  /** The helper is made, and Swarm gives it to the node. */
  | { readonly _tag: "Place"; readonly node: string }
  /**
   * The node prepares the helper, as Swarm calls it: it pulls the image unless it has it, and makes the container. Swarm does
   * not tell which, nor how far it is.
   */
  | { readonly _tag: "Prepare"; readonly node: string; readonly image: string }
  /** The node starts the helper. */
  | { readonly _tag: "Launch"; readonly node: string }
  /** Tunnel only: the helper has an address, and is tried to be reached. */
  | { readonly _tag: "Connect"; readonly node: string }
  /** The command is started. */
  | { readonly _tag: "Start" }
  /** The command runs. */
  | { readonly _tag: "Run" }

/**
 * Who is told of the stages of the runs in its context; nobody unless it is provided. A stage that began ends, whatever
 * happens to the run; both are told with the same object, at once, in the midst of the work: neither may wait or throw. A run
 * that must end its command through a second helper has the stages of that one too. After the last stage the run cleans up.
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
 */
export class StageObserver extends Context.Reference<{
  readonly began: (stage: Stage) => void
  readonly ended: (stage: Stage) => void
  /** How far a stage is, where that can be known: of `Pull`, as the engine tells of its layers. */
  readonly progressed?: (stage: Stage, amount: PullAmount) => void
}>("task-exec/StageObserver", { defaultValue: () => ({ began: () => undefined, ended: () => undefined }) }) {}

const spanOf = ({ _tag, ...attributes }: Stage) => [`TaskExec.stage.${_tag.toLowerCase()}`, { attributes }] as const

/** An effect that is this stage. */
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

/** A stage begins that ends when what this gives is called, or with the scope. */
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
 * Reports the stage `Run` from a command's events, and `Start` before it on routes that don't report `Start` themselves. `end` is for
 * events that fail: it runs before the run's objects are removed.
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
