/** vitest's global set-up for the tests on a real swarm: one swarm with our image in its registry, for all files. */
import * as Effect from "effect/Effect"
import { buildImage } from "../../adapters/image/Image.ts"
import { setup as bringUp } from "../cluster/GlobalSetup.ts"
import { SwarmCluster } from "../cluster/SwarmCluster.ts"

const publishImage = Effect.gen(function* () {
  const { manager, registry } = yield* SwarmCluster
  const ref = `${registry}/task-exec:dev`
  yield* buildImage({ endpoint: { _tag: "Unix", path: manager.socket }, ref, base: "scratch", push: true })
  process.env.TASK_EXEC_IMAGE = ref
})

export default async (): Promise<(() => Promise<void>) | undefined> => {
  const takeDown = await bringUp()
  try {
    await Effect.runPromise(Effect.provide(publishImage, SwarmCluster.layerShared))
  } catch (error) {
    await takeDown?.()
    throw error
  }
  return takeDown
}
