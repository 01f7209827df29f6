/** Before each file of tests: its worker's own swarm is the one that `SwarmCluster.layerShared` attaches to. */
import { inject } from "@effect/vitest"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import { clusterVariable } from "../cluster/SwarmCluster.ts"
import { swarmOf } from "./SwarmPool.ts"

const swarm = await swarmOf(inject("swarms"), Number(process.env.VITEST_POOL_ID)).pipe(
  // Effect's own provider keeps the environment of its first use, which is to have what is set below.
  Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromEnv()),
  Effect.runPromise
)
process.env[clusterVariable] = swarm.dir
process.env.TASK_EXEC_IMAGE = swarm.image
