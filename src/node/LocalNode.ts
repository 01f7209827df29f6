/** The node of the connected engine: everything is done right here. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { DockerEngine } from "../engine/DockerEngine.ts"
import { Swarm } from "../engine/Swarm.ts"
import { endOf } from "../executor/ExecSpec.ts"
import { Executor } from "../executor/Executor.ts"
import { Guard } from "../executor/Guard.ts"
import { type KillerOptions, ProcessKiller } from "../executor/ProcessKiller.ts"
import { once } from "../internal/Once.ts"
import { engineFiles } from "../protocol/ContainerFiles.ts"
import type { NodeConnection } from "./NodeConnection.ts"

/** The connected engine, of several managers the one that answered: only that one knows the containers. */
export const openLocalNode = Effect.fnUntraced(function* (
  options: KillerOptions
): Effect.fn.Return<NodeConnection, never, Swarm | Scope.Scope> {
  const engine = yield* Swarm.use(({ engine }) => engine)
  const here = Layer.succeed(DockerEngine, engine)
  const killer = ProcessKiller.layer(options).pipe(Layer.provideMerge(here))
  const guards = Guard.layer(options).pipe(Layer.provide(here))
  return {
    route: "local",
    commands: Effect.fnUntraced(function* ([first, ...more]) {
      const runs = [endOf(first), ...more.map(endOf)] as const
      // Several commands share one guard. A single one starts its own beside its exec, and a detached one needs none: it outlives its
      // caller, whose guard would end it.
      const shared = yield* once(
        Effect.map(Guard.use(({ watch }) => watch({ runs })).pipe(Effect.provide(guards)), Guard.shared)
      )
      return {
        exec: Effect.fnUntraced(function* (index, input) {
          const spec = [first, ...more][index] ?? first
          const guard = more.length === 0 || spec.detach ? guards : yield* shared
          return {
            events: Stream.unwrap(Executor.use((executor) => Effect.succeed(executor.exec(spec, input)))).pipe(
              Stream.provide(Executor.layer.pipe(Layer.provide(guard), Layer.provide(killer)))
            ),
            // What it does is known here at once.
            mayHaveBegun: () => false,
            end: (run) => ProcessKiller.use((killing) => killing.end(run)).pipe(Effect.provide(killer))
          }
        }),
        leave: () => undefined
      }
    }),
    files: (container, policy) => engineFiles(engine, container, policy)
  }
})
