/**
 * vitest's global setup for the tests on a real swarm: a swarm per worker, with our image in its registry. Each worker has its own swarm
 * because tests check all our objects in it (`OwnSwarm.ts`).
 *
 * With `TASK_EXEC_CLUSTER` set (as by `npm run swarm -- env`), the tests use that swarm and do not remove it.
 */
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import type { TestProject } from "vitest/node"
import { self } from "../cluster/Processes.ts"
import { attach, clusterVariable, SwarmCluster, takeDown } from "../cluster/SwarmCluster.ts"
import { assignSwarm, sourceVariable, withImage } from "./SwarmPool.ts"

const bringUp = (nodes: number) =>
  Effect.map(Layer.build(SwarmCluster.layer({ nodes })), (context) => Context.get(context, SwarmCluster))

/** Removes the swarms that workers started after a crash of an engine. */
const takeDownReplacements = Effect.flatMap(self, ({ pid }) => takeDown(({ owner }) => owner?.pid === pid))

/** Starts swarms of this number of nodes. Returns an effect that removes them. */
export const setUp =
  (nodes: number) =>
  async (project: TestProject): Promise<() => Promise<void>> => {
    const given = process.env[clusterVariable]
    const count = given === undefined ? project.config.maxWorkers : 1
    const scope = Scope.makeUnsafe()
    const folder = await mkdtemp(join(tmpdir(), "task-exec-swarms-"))
    // For the workers and all programs. The next build removes the folder.
    process.env.NODE_COMPILE_CACHE ??= join(import.meta.dirname, "../../dist/compiled")
    const built = Deferred.makeUnsafe<string>()
    const one = Effect.fnUntraced(function* (worker: number) {
      const cluster = yield* given === undefined ? bringUp(nodes) : attach(given)
      // The other swarms copy the image from the first one.
      const swarm = yield* withImage(cluster, worker === 1 ? process.env[sourceVariable] : yield* Deferred.await(built))
      if (worker === 1) yield* Deferred.succeed(built, swarm.dir)
      yield* assignSwarm(folder, worker, swarm)
    })
    const all = Effect.forEach(
      Array.from({ length: count }, (_, at) => at + 1),
      one,
      { concurrency: "unbounded", discard: true }
    ).pipe(
      Scope.provide(scope),
      Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause)))
    )
    await Effect.runPromise(all)
    project.provide("swarms", { folder, nodes, owner: given === undefined ? await Effect.runPromise(self) : null })
    return async () => {
      await Effect.runPromise(Scope.close(scope, Exit.void))
      if (given === undefined) await Effect.runPromise(takeDownReplacements)
      await rm(folder, { recursive: true })
    }
  }

export default setUp(3)
