/**
 * Watches over commands from beside their caller: ends them, with everything they started, should the caller be
 * killed. The engine lets a command run on for ever whose caller went away (moby 9098, open since 2014).
 *
 * Two guards do the same. Where the caller reaches the engine's processes it is a shell that waits on a pipe from the
 * caller, and becomes our program only when that pipe breaks: 2 ms and 1 MB. Elsewhere it is a container of our image on
 * the engine's host, attached to the caller, for some 0.3 s. A helper has none: Swarm itself starts its successor.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { DockerEngine } from "../engine/DockerEngine.ts"
import type { EngineUnreachable } from "../engine/EngineErrors.ts"
import type { GuardRequest, Watch } from "./GuardProtocol.ts"
import { reachesProcessesOf } from "./HostView.ts"
import { watchFromContainer } from "./internal/ContainerGuard.ts"
import { watchFromProcess } from "./internal/ProcessGuard.ts"
import type { KillerOptions } from "./ProcessKiller.ts"

/** Said by an engine that is there: no guard runs. */
const isRefusal = <E extends { readonly _tag: string }>(error: E | EngineUnreachable): error is E =>
  error._tag !== "EngineUnreachable"

/** Nobody watches. */
const unwatched: Watch = { confirm: Effect.succeed(true), takeOver: Effect.void, letGo: Effect.succeed(true) }

/** Makes guards. */
export class Guard extends Context.Service<
  Guard,
  {
    /**
     * Begins to watch; done when a kill of the caller can't leave the command behind any more. The guard goes away with
     * the scope. If none can be made the command runs without, and a warning says so. Fails where it is not known whether
     * there is one: it could take its caller for gone, and end the command.
     */
    readonly watch: (request: GuardRequest) => Effect.Effect<Watch, EngineUnreachable, Scope.Scope>
  }
>()("task-exec/Guard") {
  /** For a caller of the engine in the context. */
  static readonly layer = (options: KillerOptions): Layer.Layer<Guard, never, DockerEngine> =>
    Layer.effect(
      Guard,
      Effect.gen(function* () {
        const engine = yield* DockerEngine
        const watch = Effect.fn("Guard.watch")(function* (request: GuardRequest) {
          const byProcess = (yield* reachesProcessesOf(engine, request.runs[0].container))
            ? yield* watchFromProcess(request)
            : undefined
          return byProcess ?? (yield* watchFromContainer(engine, options, request))
        })
        return Guard.of({
          watch: (request) =>
            watch(request).pipe(
              Effect.catchIf(isRefusal, (error) =>
                Effect.as(
                  Effect.logWarning(
                    `the command has no guard and runs on should this process be killed: ${error.message}`
                  ),
                  unwatched
                )
              )
            )
        })
      })
    )

  /** For commands that one guard watches all together; it is let go of when none of them runs any more. */
  static readonly shared = (watch: Watch): Layer.Layer<Guard> =>
    Layer.succeed(Guard, { watch: () => Effect.succeed({ ...watch, letGo: watch.confirm }) })

  /** For those that somebody else looks after. */
  static readonly none: Layer.Layer<Guard> = Layer.succeed(Guard, { watch: () => Effect.succeed(unwatched) })
}
