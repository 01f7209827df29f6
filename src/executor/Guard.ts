/**
 * A guard kills commands and their child processes if their caller is killed. The engine never does that (moby#9098, open since 2014).
 *
 * If the caller can reach the engine's processes, the guard is a shell that waits on a pipe from the caller and starts task-exec only
 * when the pipe breaks: 2 ms and 1 MB. Otherwise the guard is a container on the engine's host, attached to the caller: about 0.3 s. A
 * helper needs no guard: Swarm starts its successor.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { DockerEngine } from "../engine/DockerEngine.ts"
import type { EngineUnreachable } from "../engine/EngineErrors.ts"
import { summaryOf, withHint } from "../engine/Hints.ts"
import type { GuardRequest, Watch } from "./GuardProtocol.ts"
import { type Inspector, reachesProcessesOf } from "./HostView.ts"
import { watchFromContainer } from "./internal/ContainerGuard.ts"
import { watchFromProcess } from "./internal/ProcessGuard.ts"
import type { KillerOptions } from "./ProcessKiller.ts"

/** Whether a reachable engine refused the guard: none runs. */
const isRefusal = <E extends { readonly _tag: string }>(error: E | EngineUnreachable): error is E =>
  error._tag !== "EngineUnreachable"

/** The guard of commands without a guard. */
const unwatched: Watch = {
  started: () => Effect.void,
  confirm: Effect.succeed(true),
  killOnClose: Effect.void,
  release: Effect.succeed(true)
}

/** Makes guards. */
export class Guard extends Context.Service<
  Guard,
  {
    /**
     * Starts a guard. Completes when a kill of the caller can't leave the command behind. The guard is removed with the scope. If no guard
     * can be created, the command runs without one, and a warning says so. Fails if it is unknown whether a guard runs: such a guard could
     * kill the command.
     *
     * `inspector`: inspects the container of the first run; default: the engine.
     */
    readonly watch: (
      request: GuardRequest,
      inspector?: Inspector
    ) => Effect.Effect<Watch, EngineUnreachable, Scope.Scope>
  }
>()("task-exec/Guard") {
  /** Guards for commands on the engine in the context. */
  static readonly layer = (options: KillerOptions): Layer.Layer<Guard, never, DockerEngine> =>
    Layer.effect(
      Guard,
      Effect.gen(function* () {
        const engine = yield* DockerEngine
        const watch = Effect.fn("Guard.watch")(function* (request: GuardRequest, inspector: Inspector) {
          const byProcess = (yield* reachesProcessesOf(inspector, request.runs[0].container))
            ? yield* watchFromProcess(request)
            : undefined
          return byProcess ?? (yield* watchFromContainer(engine, options, request))
        })
        return Guard.of({
          watch: (request, inspector = engine) =>
            watch(request, inspector).pipe(
              Effect.catchIf(isRefusal, (error) =>
                Effect.as(
                  Effect.logWarning(
                    withHint(
                      `cannot start a guard: ${summaryOf(error)}`,
                      "Without a guard, the command keeps running if this process is killed."
                    )
                  ),
                  unwatched
                )
              )
            )
        })
      })
    )

  /** One guard for several commands. It is released when none of them runs. */
  static readonly shared = (watch: Watch): Layer.Layer<Guard> =>
    Layer.succeed(Guard, { watch: () => Effect.succeed({ ...watch, release: watch.confirm }) })

  /** No guard, for commands of a helper or an agent. */
  static readonly none: Layer.Layer<Guard> = Layer.succeed(Guard, { watch: () => Effect.succeed(unwatched) })
}
