/** A container that lives as long as its caller is attached to it. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { ContainerConnection } from "./ContainerRequests.ts"
import type { DockerEngineShape } from "./DockerEngine.ts"
import { type EngineFailure, isConflict } from "./EngineErrors.ts"
import type { ContainerCreate } from "./EngineSchemas.ts"
import { owned } from "./Owned.ts"

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
  name: string,
  runId: string,
  config: ContainerCreate
): Effect.fn.Return<AttachedContainer, EngineFailure, Scope.Scope> {
  // It takes an engine a moment: less than to find out that there will be none.
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
    // It has ended, and the engine removes it.
    Effect.catchIf(isConflict, () => Effect.void)
  )
  const { id } = yield* owned(creation, removal, { kind: "container", name, runId })
  const connection = yield* engine.attachContainer(id)
  yield* engine.startContainer(id)
  return { ...connection, id }
})
