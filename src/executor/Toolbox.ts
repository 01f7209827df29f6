/**
 * A container beside a task's container, for commands that the task's image does not have. It shares the task's processes, network and
 * volumes; the task's root file system is at `/proc/1/root`.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { openAttached } from "../engine/AttachedContainer.ts"
import type { DockerEngineShape } from "../engine/DockerEngine.ts"
import { type EngineFailure, isNotFound } from "../engine/EngineErrors.ts"
import type { Container, MountSpec } from "../engine/EngineSchemas.ts"
import { freshName, makeOwnership, ownershipLabels } from "../Labels.ts"
import type { ToolboxSpec } from "./ExecSpec.ts"
import { ToolboxNotStarted } from "./ExecutorErrors.ts"

/** The toolbox ends with this process, so its deadline never matters while it is in use, in milliseconds. */
const unlimited = 365 * 24 * 3600_000

/**
 * Mounts a volume or a bind mount of the task in its toolbox. `VolumesFrom` fails where the task has a tmpfs ("get: no such volume",
 * engine 28.5); what is in that is at `/proc/1/root`.
 */
const mountOf = ({ Destination, Name, RW, Source, Type }: Container["Mounts"][number]): ReadonlyArray<MountSpec> =>
  Type === "volume" || Type === "bind"
    ? [{ Type, Source: Type === "volume" ? Name : Source, Target: Destination, ReadOnly: !RW }]
    : []

/**
 * Starts a toolbox, and returns the ID of its container. Pulls the image if the engine does not have it. The engine kills all processes in
 * the toolbox and removes it when the scope closes, and when this process ends in whatever way: its main process reads a stdin that is a
 * connection to this process.
 *
 * The container has the capability `SYS_PTRACE`, without which `/proc/1/root` is closed.
 */
export const openToolbox = Effect.fn("TaskExec.toolbox")(function* (
  engine: DockerEngineShape,
  { auth, image }: ToolboxSpec,
  { container, runId }: { readonly container: string; readonly runId: string }
): Effect.fn.Return<string, ToolboxNotStarted | EngineFailure, Scope.Scope> {
  const isThere = engine.inspectImage(image).pipe(
    Effect.as(true),
    Effect.catchIf(isNotFound, () => Effect.succeed(false))
  )
  const labels = ownershipLabels(yield* makeOwnership(unlimited, runId), "toolbox")
  return yield* Effect.gen(function* () {
    const { Mounts } = yield* engine.inspectContainer(container)
    if (!(yield* isThere)) yield* Stream.runDrain(engine.pullImage(image, auth))
    const { id } = yield* openAttached(engine, freshName("toolbox"), runId, {
      Image: image,
      Entrypoint: ["cat"],
      Labels: labels,
      // What root may do in a container, and look at the task's processes.
      User: "0",
      HostConfig: {
        PidMode: `container:${container}`,
        NetworkMode: `container:${container}`,
        Mounts: Mounts.flatMap(mountOf),
        CapAdd: ["SYS_PTRACE"]
      }
    })
    return id
  }).pipe(
    Effect.catchTag("EngineError", ({ text }) => Effect.fail(new ToolboxNotStarted({ image, container, detail: text })))
  )
})
