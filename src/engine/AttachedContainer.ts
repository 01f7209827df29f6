/** A container that lives as long as its caller is attached to it. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { ContainerConnection } from "./ContainerRequests.ts"
import type { DockerEngineShape } from "./DockerEngine.ts"
import { type EngineFailure, isConflict, isNotFound } from "./EngineErrors.ts"
import type { ContainerCreate } from "./EngineSchemas.ts"

/** Its streams, and which one it is. */
export interface AttachedContainer extends ContainerConnection {
  readonly id: string
}

/**
 * Makes it, attaches, starts it. Its stdin ends with the connection, however that ends; the engine removes it when it has
 * ended, and it is removed in any case when the scope closes. What it writes is kept nowhere.
 */
export const openAttached = Effect.fnUntraced(function* (
  engine: DockerEngineShape,
  config: ContainerCreate
): Effect.fn.Return<AttachedContainer, EngineFailure, Scope.Scope> {
  const { id } = yield* Effect.acquireRelease(
    engine.createContainer({
      config: {
        ...config,
        OpenStdin: true,
        StdinOnce: true,
        AttachStdin: true,
        AttachStdout: true,
        AttachStderr: true,
        HostConfig: { ...config.HostConfig, AutoRemove: true, LogConfig: { Type: "none" } }
      }
    }),
    ({ id: container }) =>
      engine.removeContainer(container, { force: true }).pipe(
        // It has ended, and the engine removes it.
        Effect.catchIf(
          (error) => isNotFound(error) || isConflict(error),
          () => Effect.void
        ),
        Effect.ignore({ log: "Warn" })
      )
  )
  const connection = yield* engine.attachContainer(id)
  yield* engine.startContainer(id)
  return { ...connection, id }
})
