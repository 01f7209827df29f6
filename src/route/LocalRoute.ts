/** Route `local`: the Executor runs right here. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { DockerEngine } from "../engine/DockerEngine.ts"
import type { EndRun, ExecSpec } from "../executor/ExecSpec.ts"
import { type ExecInput, Executor } from "../executor/Executor.ts"
import { Guard } from "../executor/Guard.ts"
import { type KillerOptions, ProcessKiller } from "../executor/ProcessKiller.ts"

/** One guard for several commands on the engine at hand, as long as the scope. */
export const guardHere = Effect.fnUntraced(function* (
  runs: readonly [EndRun, ...ReadonlyArray<EndRun>],
  options: KillerOptions
) {
  const { alone } = yield* DockerEngine
  const guard = Guard.layer(options).pipe(Layer.provide(Layer.effect(DockerEngine, alone)))
  return Guard.shared(yield* Guard.use(({ watch }) => watch({ runs })).pipe(Effect.provide(guard)))
})

/**
 * Gives the events of a command in a container of the engine at hand, and what sends its processes a signal. Without a
 * `guard` that watches it with others, it has one of its own.
 */
export const execHere = (spec: ExecSpec, options: KillerOptions, input: ExecInput, guard?: Layer.Layer<Guard>) =>
  // Of several managers only the one that answered knows the container.
  Effect.map(
    DockerEngine.use(({ alone }) => alone),
    (engine) => {
      const here = Layer.succeed(DockerEngine, engine)
      const killer = ProcessKiller.layer(options).pipe(Layer.provideMerge(here))
      const watched = guard ?? Guard.layer(options).pipe(Layer.provide(here))
      return {
        events: Stream.unwrap(Executor.use((executor) => Effect.succeed(executor.exec(spec, input)))).pipe(
          Stream.provide(Executor.layer.pipe(Layer.provide(watched), Layer.provide(killer)))
        ),
        end: (run: EndRun) => ProcessKiller.use((killing) => killing.end(run)).pipe(Effect.provide(killer))
      }
    }
  )
