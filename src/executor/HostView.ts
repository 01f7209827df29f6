/**
 * The processes of an engine's host, and who can reach them: this process itself, where it is root and in the host's PID
 * space, otherwise a container of our own image that has that space.
 */

import { readFileSync } from "node:fs"
import { geteuid } from "node:process"
import * as Effect from "effect/Effect"
import type { DockerEngine } from "../engine/DockerEngine.ts"
import { type EngineFailure, isNotFound } from "../engine/EngineErrors.ts"
import type { ContainerCreate } from "../engine/EngineSchemas.ts"
import { imageLabel } from "../Labels.ts"

type Engine = DockerEngine["Service"]

/**
 * Whether this process can look at and signal the processes of a container: `/proc` here is that of the engine's host
 * (the container's main process is in it, in the container's cgroup), and we are root.
 */
export const reachesProcessesOf = (engine: Engine, container: string): Effect.Effect<boolean> =>
  Effect.map(mainProcessOf(engine, container), (pid) => pid !== undefined)

/** The ID of a container's main process, where this process can look at it: see {@link reachesProcessesOf}. */
export const mainProcessOf = (engine: Engine, container: string): Effect.Effect<number | undefined> =>
  geteuid?.() === 0
    ? engine.inspectContainer(container).pipe(
        Effect.flatMap(({ State }) =>
          Effect.try(() => {
            const isThat = readFileSync(`/proc/${State.Pid}/cgroup`, "utf8").includes(container)
            return isThat ? State.Pid : undefined
          })
        ),
        Effect.orElseSucceed(() => undefined)
      )
    : Effect.succeed(undefined)

/** The image by its name; else any of ours (a node that pulled it by its digest has no name for it), if there is one. */
export const imageHere = Effect.fnUntraced(function* (
  engine: Engine,
  named: string
): Effect.fn.Return<string | undefined, EngineFailure> {
  const known = yield* engine.inspectImage(named).pipe(
    Effect.as(true),
    Effect.catchIf(isNotFound, () => Effect.succeed(false))
  )
  if (known) return named
  const ours = yield* engine.listImages({ label: [imageLabel] })
  return ours.toSorted((a, b) => b.Created - a.Created)[0]?.Id
})

/** A container of our own image that can look at and signal every process of the host, and nothing else. */
export const hostPidContainer = (
  image: string,
  command: readonly [string, ...ReadonlyArray<string>],
  labels: Readonly<Record<string, string>>
): ContainerCreate => ({
  Image: image,
  Cmd: command,
  Labels: labels,
  HostConfig: {
    PidMode: "host",
    // Engines that remap user namespaces allow the former only with the latter; to others it says nothing new.
    UsernsMode: "host",
    NetworkMode: "none",
    ReadonlyRootfs: true,
    CapDrop: ["ALL"],
    CapAdd: ["KILL", "SYS_PTRACE", "DAC_READ_SEARCH"],
    SecurityOpt: ["no-new-privileges"],
    LogConfig: { Type: "json-file", Config: {} }
  }
})
