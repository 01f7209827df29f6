/**
 * Before each test file, selects the swarm of its worker for `SwarmCluster.layerShared`. After the file, the swarm must be as it was
 * before: other objects are removed, and the file fails.
 */
import { afterAll, inject } from "@effect/vitest"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import { assertContents, contentsOf } from "../cluster/Contents.ts"
import { crashIn } from "../cluster/EngineCrash.ts"
import { attach, clusterVariable } from "../cluster/SwarmCluster.ts"
import { swarmOf } from "./SwarmPool.ts"

const swarm = await swarmOf(inject("swarms"), Number(process.env.VITEST_POOL_ID)).pipe(
  // Effect's own provider keeps the environment of its first use, which must include the variables that are set below.
  Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromEnv()),
  Effect.runPromise
)
process.env[clusterVariable] = swarm.dir
process.env.TASK_EXEC_IMAGE = swarm.image

const cluster = await Effect.runPromise(attach(swarm.dir))
const before = await Effect.runPromise(contentsOf(cluster))

// Registered before the hooks of the file, so it runs after them.
afterAll(
  () =>
    crashIn(cluster).pipe(
      // The next file uses another swarm.
      Effect.flatMap((crash) => (crash === undefined ? assertContents(cluster, before) : Effect.void)),
      Effect.runPromise
    ),
  300_000
)
