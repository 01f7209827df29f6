/**
 * vitest's global set-up for the tests on a real swarm: a swarm for each worker, with our image in its registry, as
 * tests look at all that is ours on theirs. `OwnSwarm.ts` gives each worker its own.
 *
 * With `TASK_EXEC_CLUSTER` set (as `npm run swarm -- env` says), the tests use that swarm, and leave it up.
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

/** Takes down the swarms that workers brought up in place of those whose engines crashed. */
const takeDownReplacements = Effect.flatMap(self, ({ pid }) => takeDown(({ owner }) => owner?.pid === pid))

/** Brings up swarms of that many nodes, and gives what takes them down. */
export const setUp =
  (nodes: number) =>
  async (project: TestProject): Promise<() => Promise<void>> => {
    const given = process.env[clusterVariable]
    const count = given === undefined ? project.config.maxWorkers : 1
    const scope = Scope.makeUnsafe()
    const folder = await mkdtemp(join(tmpdir(), "task-exec-swarms-"))
    // For the workers and the programs that they start, as for programs that are started by their names. The next build removes it.
    process.env.NODE_COMPILE_CACHE ??= join(import.meta.dirname, "../../dist/compiled")
    const built = Deferred.makeUnsafe<string>()
    const one = Effect.fnUntraced(function* (worker: number) {
      const cluster = yield* given === undefined ? bringUp(nodes) : attach(given)
      // The others have the image from the first one.
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
