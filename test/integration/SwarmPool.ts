/** Which worker has which swarm: a file for each worker, as a worker is a new process for each file of tests. */
import { readFile, writeFile } from "node:fs/promises"
import { basename, join } from "node:path"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as Schema from "effect/Schema"
import { buildImage } from "../../adapters/image/Image.ts"
import { type EngineCrashed, knownCrash } from "../cluster/EngineCrash.ts"
import { pullImage } from "../cluster/Images.ts"
import type { ProcessRef } from "../cluster/Processes.ts"
import { bringUpFor, clusterVariable, type SwarmClusterShape, takeDown } from "../cluster/SwarmCluster.ts"

/** A swarm that is up for the tests. */
const SharedSwarm = Schema.Struct({
  dir: Schema.String,
  /** Our image, in its registry. */
  image: Schema.String
})
type SharedSwarm = typeof SharedSwarm.Type

/** What the workers know of the swarms. */
export interface SwarmPool {
  /** Has a file for each worker. */
  readonly folder: string
  /** The process that takes the swarms down; null where somebody else brought the swarm up. */
  readonly owner: ProcessRef | null
  /** Of each swarm. */
  readonly nodes: number
}

declare module "vitest" {
  interface ProvidedContext {
    readonly swarms: SwarmPool
  }
}

/**
 * Builds our image, and puts it into the registry of the swarm and onto every node. A command on a node without the image has no
 * guard, and a warning says so if the command takes long enough: which tests ran before, and how fast, is to make no difference.
 */
export const withImage = Effect.fnUntraced(function* ({ dir, manager, nodes, registry }: SwarmClusterShape) {
  const image = `${registry}/task-exec:dev`
  yield* buildImage({ endpoint: { _tag: "Unix", path: manager.socket }, ref: image, base: "scratch", push: true })
  const others = nodes.filter(({ name }) => name !== manager.name)
  yield* Effect.forEach(others, ({ socket }) => pullImage(socket, image), { concurrency: "unbounded", discard: true })
  return { dir, image } satisfies SharedSwarm
})

const SharedSwarmText = Schema.fromJsonString(SharedSwarm)
const decode = Schema.decodeEffect(SharedSwarmText)
const encode = Schema.encodeEffect(SharedSwarmText)

const fileOf = (folder: string, worker: number) => join(folder, `${worker}.json`)

/** Makes a swarm that of a worker (1, 2, …). */
export const assignSwarm = Effect.fnUntraced(function* (folder: string, worker: number, swarm: SharedSwarm) {
  const text = yield* encode(swarm)
  yield* Effect.promise(() => writeFile(fileOf(folder, worker), text))
})

/** An engine of the swarm crashed, and the swarm belongs to somebody else. */
class SwarmOfNoUse extends Schema.TaggedError<SwarmOfNoUse>()("SwarmOfNoUse", {
  dir: Schema.String,
  crash: Schema.String
}) {
  override get message(): string {
    return `the swarm of ${clusterVariable}=${this.dir} can't be used: ${this.crash}\nTake it down and bring up another (\`npm run swarm\`)`
  }
}

/** Brings up a swarm in place of one whose engine crashed. */
const replace = Effect.fnUntraced(function* (
  { folder, nodes, owner }: SwarmPool,
  worker: number,
  dir: string,
  crash: EngineCrashed
) {
  if (owner === null) return yield* new SwarmOfNoUse({ dir, crash: crash.message })
  yield* takeDown(({ id }) => id === basename(dir))
  const swarm = yield* Effect.flatMap(bringUpFor(owner, { nodes }), withImage)
  yield* assignSwarm(folder, worker, swarm)
  return swarm
})

/** The swarm of a worker: another one if an engine of the last one crashed. */
export const swarmOf = Effect.fn("SwarmPool.swarmOf")(
  function* (pool: SwarmPool, worker: number) {
    const text = yield* Effect.promise(() => readFile(fileOf(pool.folder, worker), "utf8"))
    const swarm = yield* decode(text)
    const crash = yield* knownCrash(swarm.dir)
    return crash === undefined ? swarm : yield* replace(pool, worker, swarm.dir, crash)
  },
  Effect.provide(Logger.layer([]))
)
