/**
 * One swarm for all test files, which attach to it with `SwarmCluster.layerShared`: for vitest's global set-up.
 *
 * With `TASK_EXEC_CLUSTER` set (as `npm run swarm -- env` says), the tests use that swarm and leave it up.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { clusterVariable, SwarmCluster } from "./SwarmCluster.ts"

/** Brings the swarm up, unless there is one, and sets the variable; gives what takes it down. */
export const setup = async (): Promise<(() => Promise<void>) | undefined> => {
  if (process.env[clusterVariable] !== undefined) return undefined
  const scope = Scope.makeUnsafe()
  const build = Layer.buildWithScope(SwarmCluster.layer(), scope).pipe(
    Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause)))
  )
  const cluster = Context.get(await Effect.runPromise(build), SwarmCluster)
  process.env[clusterVariable] = cluster.dir
  return () => Effect.runPromise(Scope.close(scope, Exit.void))
}
