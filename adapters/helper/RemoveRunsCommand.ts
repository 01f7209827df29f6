/** What the guard of a run's objects does once its caller is gone: removes them, and so ends the commands of their helpers. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import { DockerEngine } from "../../src/engine/DockerEngine.ts"
import { endpointsVariable, GuardEndpoints } from "../../src/executor/RunInventory.ts"
import { HelperImage } from "../../src/helper/HelperImage.ts"
import { sweep } from "../../src/sweep/Sweep.ts"

/** An engine that can't be reached is asked again and again for a while. */
const patience = Schedule.spaced("2 seconds").pipe(Schedule.upTo({ duration: "5 minutes" }))

const engine = Layer.unwrap(
  Effect.map(Schema.decodeUnknownEffect(GuardEndpoints)(process.env[endpointsVariable]), ([first, ...others]) =>
    DockerEngine.layerForAny([first, ...others])
  )
)

/**
 * Removes what belongs to these runs, as `gc --run` does. Twice: the engine may still carry out what the caller asked for as it
 * was killed.
 */
export const removeRunsCommand = (runs: ReadonlyArray<string>): Effect.Effect<number> =>
  sweep({ runs, nodes: "local" }).pipe(
    Effect.retry(patience),
    Effect.andThen(Effect.sleep("2 seconds")),
    Effect.andThen(sweep({ runs, nodes: "local" })),
    Effect.provide(HelperImage.layer),
    Effect.provide(engine),
    Effect.as(0),
    // Nobody hears it; the objects' deadline remains.
    Effect.orElseSucceed(() => 1)
  )
