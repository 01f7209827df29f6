/** The swarm of each worker, in a file per worker, because a worker is a new process for each test file. */
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

/** A running swarm for tests. */
const SharedSwarm = Schema.Struct({
  dir: Schema.String,
  /** Our image in its registry. */
  image: Schema.String
})
type SharedSwarm = typeof SharedSwarm.Type

/** The data about the swarms that workers share. */
export interface SwarmPool {
  /** The folder with a file per worker. */
  readonly folder: string
  /** The process that removes the swarms. Null if another program started the swarm. */
  readonly owner: ProcessRef | null
  /** The number of nodes per swarm. */
  readonly nodes: number
}

declare module "vitest" {
  interface ProvidedContext {
    readonly swarms: SwarmPool
  }
}

const repository = "task-exec"

/** Environment variable with the folder of a swarm whose registry has the image of this build. */
export const sourceVariable = "TASK_EXEC_IMAGE_SOURCE"

/**
 * Publishes our image in the registry of a swarm. Returns its name. The swarm in `source` has the image already: building it takes an
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
 * Publishes the image of the worker's own swarm in the registry of another swarm, which a test has started, and pulls it on its first
 * manager, where guards need it. Returns its name.
 */
export const imageFor = (cluster: SwarmClusterShape) =>
  Config.String(clusterVariable).pipe(
    Effect.flatMap((dir) => publishImage(cluster, dir)),
    Effect.tap((image) => pullImage(cluster.manager.socket, image))
  )

/**
 * Publishes our image in the registry of a swarm and pulls it on every node. A command on a node without the image has no guard, and a
 * warning says so if the command takes long enough. Tests must not depend on whether an earlier test pulled it.
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

/** Sets the swarm of a worker (1, 2, …). */
export const assignSwarm = Effect.fnUntraced(function* (folder: string, worker: number, swarm: SharedSwarm) {
  const text = yield* encode(swarm)
  yield* Effect.promise(() => writeFile(fileOf(folder, worker), text))
})

/** The swarm cannot be used, and this process does not own it. */
class UnusableSwarm extends Schema.TaggedError<UnusableSwarm>()("UnusableSwarm", {
  dir: Schema.String,
  reason: Schema.String
}) {
  override get message(): string {
    return `the swarm of ${clusterVariable}=${this.dir} can't be used: ${this.reason}\nTake it down and bring up another (\`npm run swarm\`)`
  }
}

/** Why the next file cannot use a swarm. `undefined` if it can. Objects of an earlier file in our swarm are removed. */
const whyUnusable = Effect.fnUntraced(function* (dir: string, isOurs: boolean) {
  const crash = yield* knownCrash(dir)
  if (crash !== undefined || !isOurs) return crash?.message
  return yield* Effect.match(Effect.flatMap(attach(dir), clearContents), {
    onFailure: ({ message }) => message,
    onSuccess: (held) =>
      held.length === 0 ? undefined : `it can't be rid of ${held.map(({ text }) => text).join(", ")}`
  })
})

/** Starts a replacement for a swarm that cannot be used. */
const replace = Effect.fnUntraced(function* (
  { folder, nodes, owner }: SwarmPool,
  worker: number,
  dir: string,
  reason: string
) {
  if (owner === null) return yield* new UnusableSwarm({ dir, reason })
  yield* takeDown(({ id }) => id === basename(dir))
  const swarm = yield* Effect.flatMap(bringUpFor(owner, { nodes }), withImage)
  yield* assignSwarm(folder, worker, swarm)
  return swarm
})

/**
 * The swarm of a worker, without objects of earlier files. It is a new one if an engine of the last one crashed or if that cannot be
 * cleared.
 */
export const swarmOf = Effect.fn("SwarmPool.swarmOf")(
  function* (pool: SwarmPool, worker: number) {
    const text = yield* Effect.promise(() => readFile(fileOf(pool.folder, worker), "utf8"))
    const swarm = yield* decode(text)
    const flaw = yield* whyUnusable(swarm.dir, pool.owner !== null)
    return flaw === undefined ? swarm : yield* replace(pool, worker, swarm.dir, flaw)
  },
  Effect.provide(Logger.layer([]))
)
