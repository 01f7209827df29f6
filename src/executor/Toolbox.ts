/**
 * Starts toolboxes: containers that share the processes, network and volumes of a task's container, for programs that the task's image does
 * not have. The task's root file system is at `/proc/1/root`.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { type AttachedContainer, openAttached } from "../engine/AttachedContainer.ts"
import type { DockerEngineShape } from "../engine/DockerEngine.ts"
import type { EngineFailure } from "../engine/EngineErrors.ts"
import type { Container } from "../engine/EngineSchemas.ts"
import type { MountSpec } from "../engine/RequestBodies.ts"
import { imageCommands } from "../ImageCommands.ts"
import { freshName, makeOwnership, ownershipLabels } from "../Labels.ts"
import { type ExecSpec, runVariable, type ToolboxSpec } from "./ExecSpec.ts"
import { ContainerNotRunning, ToolboxNotStarted } from "./ExecutorErrors.ts"
import { findImage } from "./HostView.ts"
import { stillRuns } from "./internal/stillRuns.ts"

/** The time until a toolbox's deadline, in milliseconds. It is a year, because a toolbox ends with this process anyway. */
const unlimited = 365 * 24 * 3600_000

/**
 * Returns the toolbox's mount for a volume or a bind mount of the task. `VolumesFrom` fails if the task has a tmpfs ("get: no such volume",
 * engine 28.5). Files of a tmpfs are at `/proc/1/root`.
 */
const mountOf = ({ Destination, Name, RW, Source, Type }: Container["Mounts"][number]): ReadonlyArray<MountSpec> =>
  Type === "volume" || Type === "bind"
    ? [{ Type, Source: Type === "volume" ? Name : Source, Target: Destination, ReadOnly: !RW }]
    : []

/** A user that owns no file in the task-exec image. */
const nobody = "65534:65534"

/**
 * Starts a toolbox, and returns its container with the streams of its main process. Pulls the image if it is missing. The engine kills all
 * processes in the toolbox and removes it when the scope closes. It does so even if this process is killed, because the toolbox's main
 * process reads a stdin that ends with this process. `ownImage`: the task-exec image.
 *
 * A toolbox for commands has the capability `SYS_PTRACE`, which access to `/proc/1/root` needs. A toolbox that forwards ports has no
 * capabilities.
 */
export const openToolbox = Effect.fn("TaskExec.toolbox")(function* (
  engine: DockerEngineShape,
  toolbox: ToolboxSpec,
  { command, container, runId }: Pick<ExecSpec, "command" | "container" | "runId">,
  ownImage: Effect.Effect<string>
): Effect.fn.Return<AttachedContainer, ContainerNotRunning | ToolboxNotStarted | EngineFailure, Scope.Scope> {
  const named = toolbox._tag === "Debug" ? toolbox.image : yield* ownImage
  const auth = toolbox._tag === "Debug" ? toolbox.auth : undefined
  const shared = { PidMode: `container:${container}`, NetworkMode: `container:${container}` }
  const labels = ownershipLabels(yield* makeOwnership(unlimited, runId), "toolbox")
  return yield* Effect.gen(function* () {
    const { Mounts } = yield* engine.inspectContainer(container)
    const image = yield* findImage(engine, named)
    if (image === undefined) yield* Stream.runDrain(engine.pullImage(named, auth))
    const base = { Image: image ?? named, Labels: labels }
    return yield* openAttached(
      engine,
      freshName("toolbox"),
      runId,
      toolbox._tag === "Debug"
        ? {
            ...base,
            Entrypoint: ["cat"],
            // Root with the default capabilities of a container, and access to the task's processes.
            User: "0",
            HostConfig: { ...shared, Mounts: Mounts.flatMap(mountOf), CapAdd: ["SYS_PTRACE"] }
          }
        : {
            ...base,
            Cmd: [imageCommands.forward, ...command.slice(1)],
            Env: [`${runVariable}=${runId}`],
            User: nobody,
            HostConfig: {
              ...shared,
              ReadonlyRootfs: true,
              CapDrop: ["ALL"],
              SecurityOpt: ["no-new-privileges"]
            }
          }
    )
  }).pipe(
    Effect.catchTag("EngineError", (error) =>
      Effect.gen(function* () {
        const { text: detail } = error
        // A toolbox can't join a container that has ended.
        if (!(yield* stillRuns(engine, container))) return yield* new ContainerNotRunning({ container, detail })
        const isOwn = toolbox._tag === "Forward" ? { isOwn: true as const } : {}
        return yield* new ToolboxNotStarted({ image: named, container, detail, ...isOwn })
      })
    )
  )
})
