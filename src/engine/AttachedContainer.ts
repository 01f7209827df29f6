/** Creates containers that live as long as the connection to them. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { ContainerConnection } from "./ContainerRequests.ts"
import type { DockerEngineShape } from "./DockerEngine.ts"
import { type EngineFailure, isConflict } from "./EngineErrors.ts"
import { owned } from "./Owned.ts"
import type { ContainerCreate } from "./RequestBodies.ts"

/** A container and the streams of its main process. */
export interface AttachedContainer extends ContainerConnection {
  readonly id: string
}

/**
 * Creates a container, attaches to it and starts it. The container's stdin ends when the connection ends, even if the connection breaks.
 * The container is removed when it ends or the scope closes. Its output is not logged.
 */
export const openAttached = Effect.fnUntraced(function* (
  engine: DockerEngineShape,
  name: string,
  runId: string,
  config: ContainerCreate
): Effect.fn.Return<AttachedContainer, EngineFailure, Scope.Scope> {
  // Uninterruptible, because it takes longer to find out later whether the container was created.
  const creation = Effect.uninterruptible(
    engine.createContainer({
      name,
      config: {
        ...config,
        OpenStdin: true,
        StdinOnce: true,
        AttachStdin: true,
        AttachStdout: true,
        AttachStderr: true,
        HostConfig: { ...config.HostConfig, AutoRemove: true, LogConfig: { Type: "none" } }
      }
    })
  )
  const removal = engine.removeContainer(name, { force: true }).pipe(
    // The container has ended, and the engine is removing it.
    Effect.catchIf(isConflict, () => Effect.void)
  )
  const { id } = yield* owned(creation, removal, { kind: "container", name, runId })
  const connection = yield* engine.attachContainer(id)
  yield* engine.startContainer(id)
  return { ...connection, id }
})
