/**
 * One program for many swarms: each has its own manager. A connection is made when a swarm is first used, and closed after a minute without use.
 *
 * When to use: a tool works with several clusters, such as staging and production, or one per region.
 *
 *     node example/many-swarms.ts TARGET HOST...
 *     node example/many-swarms.ts demo_back.1 ssh://staging-manager ssh://prod-manager
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as LayerMap from "effect/LayerMap"
import { TaskExec } from "task-exec"

/** The service `TaskExec` of each swarm, by the address of its manager. */
const Swarms = LayerMap.make(
  (host: string) =>
    // Without `fresh`, the swarms would share one connection: a layer is built once.
    Layer.fresh(TaskExec.layer).pipe(
      Layer.provide(ConfigProvider.layerAdd(ConfigProvider.fromUnknown({ DOCKER_HOST: host }), { asPrimary: true }))
    ),
  { idleTimeToLive: "1 minute" }
)

const [target = "demo_back.1", ...hosts] = process.argv.slice(2)

/** Knows nothing of swarms: it runs in the one that is provided. */
const nameOfHost = TaskExec.run({ target, command: ["hostname"] }).pipe(
  Effect.map(({ stdout, task }) => `${new TextDecoder().decode(stdout).trim()} on ${task.node.hostname}`)
)

const main = Effect.gen(function* () {
  const swarms = yield* Swarms
  const ask = Effect.fnUntraced(function* (host: string) {
    // A swarm that does not answer is no reason to leave out the others.
    const text = yield* nameOfHost.pipe(
      Effect.provide(swarms.get(host)),
      Effect.catch(({ message }) => Effect.succeed(message))
    )
    yield* Console.log(`${host}: ${text}`)
  })
  yield* Effect.forEach(hosts, ask, { concurrency: 4 })
})

main.pipe(Effect.scoped, NodeRuntime.runMain)
