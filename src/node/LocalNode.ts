/** The connection to the connected engine's node. This process runs the executor. */
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
import { memoize } from "../internal/memoize.ts"
import { engineFiles } from "../protocol/ContainerFiles.ts"
import type { NodeConnection } from "./NodeConnection.ts"

/** Opens the node connection. Uses the engine of the manager that responded last, because only that engine has the containers. */
export const openLocalNode = Effect.fnUntraced(function* (
  options: KillerOptions
): Effect.fn.Return<NodeConnection, never, Swarm | Scope.Scope> {
  const engine = yield* Swarm.use(({ engine }) => engine)
  const connected = Layer.succeed(DockerEngine, engine)
  const killer = ProcessKiller.layer(options).pipe(Layer.provideMerge(connected))
  const guards = Guard.layer(options).pipe(Layer.provide(connected))
  return {
    route: "local",
    commands: Effect.fnUntraced(function* ([first, ...more]) {
      const runs = [endOf(first), ...more.map(endOf)] as const
      // Several commands share one guard. A single command starts its own together with its exec. A detached command has none: the guard
      // would kill the command when the caller ends.
      const shared = yield* memoize(
        Effect.map(Guard.use(({ watch }) => watch({ runs })).pipe(Effect.provide(guards)), Guard.shared)
      )
      return {
        exec: Effect.fnUntraced(function* (index, input) {
          const spec = [first, ...more][index] ?? first
          // An action has no process.
          const needsNoGuard = spec.detach || spec.action !== undefined
          const guard = more.length === 0 || needsNoGuard ? guards : yield* shared
          return {
            events: Stream.unwrap(Executor.use((executor) => Effect.succeed(executor.exec(spec, input)))).pipe(
              Stream.provide(Executor.layer(options).pipe(Layer.provide(guard), Layer.provide(killer)))
            ),
            // Events arrive without delay, so a command that has begun has also reported `Started`.
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
