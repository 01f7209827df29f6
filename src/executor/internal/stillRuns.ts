/** Whether a container still runs. */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type { DockerEngine } from "../../engine/DockerEngine.ts"
import { type EngineFailure, isConflict, isNotFound } from "../../engine/EngineErrors.ts"

/** The time in which the engine must report the end of a container after its processes ended. */
const containerEnd = "1 second"

/** Whether the object no longer exists, or its container has ended. */
export const isGone = (error: EngineFailure): boolean => isNotFound(error) || isConflict(error)

/** Whether a container still runs. Gives the engine time to notice its end. */
export const stillRuns = (engine: DockerEngine["Service"], container: string): Effect.Effect<boolean, EngineFailure> =>
  engine.inspectContainer(container).pipe(
    Effect.map((inspected) => inspected.State.Running),
    Effect.catchIf(isGone, () => Effect.succeed(false)),
    Effect.repeat({
      schedule: Schedule.spaced("100 millis").pipe(Schedule.upTo({ duration: containerEnd })),
      until: (running) => !running
    })
  )
