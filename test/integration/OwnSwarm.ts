/** Before each file of tests: its worker's own swarm is the one that `SwarmCluster.layerShared` attaches to. */
import { inject } from "@effect/vitest"
import { clusterVariable } from "../cluster/SwarmCluster.ts"

/** A swarm that is up for the tests. */
export interface SharedSwarm {
  readonly dir: string
  /** Our image, in its registry. */
  readonly image: string
}

declare module "vitest" {
  interface ProvidedContext {
    readonly swarms: ReadonlyArray<SharedSwarm>
  }
}

const swarm = inject("swarms")[Number(process.env.VITEST_POOL_ID) - 1]
if (swarm === undefined) throw new Error(`no swarm was brought up for worker ${process.env.VITEST_POOL_ID}`)
process.env[clusterVariable] = swarm.dir
process.env.TASK_EXEC_IMAGE = swarm.image
