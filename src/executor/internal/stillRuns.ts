import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type { DockerEngine } from "../../engine/DockerEngine.ts"
import { type EngineFailure, isConflict, isNotFound } from "../../engine/EngineErrors.ts"

/** How long after its processes' end the engine may take to call a container stopped. */
const containerEnd = "1 second"

/** The engine does not know the object any more, or its container has ended. */
export const isGone = (error: EngineFailure): boolean => isNotFound(error) || isConflict(error)

/** Whether a container runs on; where it was just ended, the engine is given the time to notice. */
export const stillRuns = (engine: DockerEngine["Service"], container: string): Effect.Effect<boolean, EngineFailure> =>
  engine.inspectContainer(container).pipe(
    Effect.map((inspected) => inspected.State.Running),
    Effect.catchIf(isGone, () => Effect.succeed(false)),
    Effect.repeat({
      schedule: Schedule.spaced("100 millis").pipe(Schedule.upTo({ duration: containerEnd })),
      until: (running) => !running
    })
  )
