/**
 * vitest's global set-up for the tests on a real swarm: a swarm for each worker, with our image in its registry, as
 * tests look at all that is ours on theirs. `OwnSwarm.ts` gives each worker its own.
 *
 * With `TASK_EXEC_CLUSTER` set (as `npm run swarm -- env` says), the tests use that swarm, and leave it up.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import type { TestProject } from "vitest/node"
import { buildImage } from "../../adapters/image/Image.ts"
import { attach, clusterVariable, SwarmCluster, type SwarmClusterShape } from "../cluster/SwarmCluster.ts"
import type { SharedSwarm } from "./OwnSwarm.ts"

const bringUp = Effect.map(Layer.build(SwarmCluster.layer()), (context) => Context.get(context, SwarmCluster))

const withImage = Effect.fnUntraced(function* ({ dir, manager, registry }: SwarmClusterShape) {
  const image = `${registry}/task-exec:dev`
  yield* buildImage({ endpoint: { _tag: "Unix", path: manager.socket }, ref: image, base: "scratch", push: true })
  return { dir, image } satisfies SharedSwarm
})

/** Brings them up, and gives what takes them down. */
export default async (project: TestProject): Promise<() => Promise<void>> => {
  const given = process.env[clusterVariable]
  const count = given === undefined ? project.config.maxWorkers : 1
  const scope = Scope.makeUnsafe()
  const one = Effect.flatMap(given === undefined ? bringUp : attach(given), withImage)
  const all = Effect.all(
    Array.from({ length: count }, () => one),
    { concurrency: "unbounded" }
  ).pipe(
    Scope.provide(scope),
    Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause)))
  )
  project.provide("swarms", await Effect.runPromise(all))
  return () => Effect.runPromise(Scope.close(scope, Exit.void))
}
