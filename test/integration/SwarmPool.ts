/** Which worker has which swarm: a file for each worker, as a worker is a new process for each file of tests. */
import { readFile, writeFile } from "node:fs/promises"
import { basename, join } from "node:path"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as Schema from "effect/Schema"
import { buildImage } from "../../adapters/image/Image.ts"
import { clearContents } from "../cluster/Contents.ts"
import { knownCrash } from "../cluster/EngineCrash.ts"
import { pullImage } from "../cluster/Images.ts"
import type { ProcessRef } from "../cluster/Processes.ts"
import { copyRepository } from "../cluster/Registry.ts"
import { attach, bringUpFor, clusterVariable, type SwarmClusterShape, takeDown } from "../cluster/SwarmCluster.ts"

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

const repository = "task-exec"

/** Environment variable that names the folder of a swarm whose registry has the image of this build. */
export const sourceVariable = "TASK_EXEC_IMAGE_SOURCE"

/**
 * Puts our image into the registry of a swarm; gives its name. The swarm in `source` has the image already: to build it takes an
 * engine several seconds of CPU time.
 */
const publishImage = Effect.fnUntraced(function* ({ dir, manager, registry }: SwarmClusterShape, source?: string) {
  const ref = `${registry}/${repository}:dev`
  const endpoint = { _tag: "Unix", path: manager.socket } as const
  if (source === undefined) yield* buildImage({ endpoint, ref, base: "scratch", push: true })
  else yield* copyRepository(source, dir, repository)
  return ref
})

/**
 * Puts the image of the worker's own swarm into the registry of another one, which a test has brought up, and onto its first manager,
 * where guards need it; gives its name.
 */
export const imageFor = (cluster: SwarmClusterShape) =>
  Config.String(clusterVariable).pipe(
    Effect.flatMap((dir) => publishImage(cluster, dir)),
    Effect.tap((image) => pullImage(cluster.manager.socket, image))
  )

/**
 * Puts our image into the registry of a swarm and onto every node. A command on a node without the image has no guard, and a warning
 * says so if the command takes long enough: which tests ran before, and how fast, is to make no difference.
 */
export const withImage = Effect.fnUntraced(function* (cluster: SwarmClusterShape, source?: string) {
  const { dir, nodes } = cluster
  const image = yield* publishImage(cluster, source)
  yield* Effect.forEach(nodes, ({ socket }) => pullImage(socket, image), { concurrency: "unbounded", discard: true })
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

/** The swarm is of no use, and belongs to somebody else. */
class SwarmOfNoUse extends Schema.TaggedError<SwarmOfNoUse>()("SwarmOfNoUse", {
  dir: Schema.String,
  reason: Schema.String
}) {
  override get message(): string {
    return `the swarm of ${clusterVariable}=${this.dir} can't be used: ${this.reason}\nTake it down and bring up another (\`npm run swarm\`)`
  }
}

/** Why a swarm is of no use to the next file; undefined where it is. What an earlier file left in a swarm of ours is taken away. */
const flawOf = Effect.fnUntraced(function* (dir: string, isOurs: boolean) {
  const crash = yield* knownCrash(dir)
  if (crash !== undefined || !isOurs) return crash?.message
  return yield* Effect.match(Effect.flatMap(attach(dir), clearContents), {
    onFailure: ({ message }) => message,
    onSuccess: (held) =>
      held.length === 0 ? undefined : `it can't be rid of ${held.map(({ text }) => text).join(", ")}`
  })
})

/** Brings up a swarm in place of one that is of no use. */
const replace = Effect.fnUntraced(function* (
  { folder, nodes, owner }: SwarmPool,
  worker: number,
  dir: string,
  reason: string
) {
  if (owner === null) return yield* new SwarmOfNoUse({ dir, reason })
  yield* takeDown(({ id }) => id === basename(dir))
  const swarm = yield* Effect.flatMap(bringUpFor(owner, { nodes }), withImage)
  yield* assignSwarm(folder, worker, swarm)
  return swarm
})

/**
 * The swarm of a worker, with nothing in it that an earlier file left: another one if an engine of the last one crashed, or if it can't
 * be cleared.
 */
export const swarmOf = Effect.fn("SwarmPool.swarmOf")(
  function* (pool: SwarmPool, worker: number) {
    const text = yield* Effect.promise(() => readFile(fileOf(pool.folder, worker), "utf8"))
    const swarm = yield* decode(text)
    const flaw = yield* flawOf(swarm.dir, pool.owner !== null)
    return flaw === undefined ? swarm : yield* replace(pool, worker, swarm.dir, flaw)
  },
  Effect.provide(Logger.layer([]))
)
