/**
 * Access to the processes of an engine's host: from this process, if it is root and in the host's PID namespace, otherwise from a container
 * of the task-exec image with that namespace.
 */

import { readFileSync } from "node:fs"
import { geteuid } from "node:process"
import * as Effect from "effect/Effect"
import type { DockerEngine } from "../engine/DockerEngine.ts"
import { type EngineFailure, isNotFound } from "../engine/EngineErrors.ts"
import type { ContainerCreate } from "../engine/EngineSchemas.ts"

type Engine = DockerEngine["Service"]

/**
 * Whether this process can inspect and signal the processes of a container: it is root, and its `/proc` is that of the engine's host (it
 * shows the container's main process in the container's cgroup).
 */
export const reachesProcessesOf = (engine: Engine, container: string): Effect.Effect<boolean> =>
  Effect.map(mainProcessOf(engine, container), (pid) => pid !== undefined)

/** The PID of a container's main process; `undefined` if this process can't inspect it: see {@link reachesProcessesOf}. */
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

/**
 * Finds the image of a reference on the engine: by the reference itself, or by the ID of an image with the same digest and repository path
 * from another registry. `undefined` if the engine has no such image.
 *
 * A label or a tag is not enough: a container of the image can see and signal every process of the host.
 */
export const findImage = Effect.fnUntraced(function* (
  engine: Engine,
  reference: string
): Effect.fn.Return<string | undefined, EngineFailure> {
  const isKnown = yield* engine.inspectImage(reference).pipe(
    Effect.as(true),
    Effect.catchIf(isNotFound, () => Effect.succeed(false))
  )
  if (isKnown) return reference
  const wanted = pathAndDigest(reference)
  if (wanted === undefined) return undefined
  const images = yield* engine.listImages({})
  return images.find(({ RepoDigests }) => RepoDigests.some((one) => pathAndDigest(one) === wanted))?.Id
})

/** `team/tool@sha256:…` of `REGISTRY/team/tool[:TAG]@sha256:…`; `undefined` for a reference without a digest. */
const pathAndDigest = (reference: string): string | undefined => {
  const [, name, digest] = /^([^@]+)@(.+)$/.exec(reference) ?? []
  // The rule of engines for a registry's host (`splitDockerDomain` of distribution/reference).
  const path = name?.replace(/:[^/:]*$/, "").replace(/^(?:[^/]*[.:][^/]*|localhost)\//, "")
  return path === undefined ? undefined : `${path}@${digest}`
}

/** A container of the task-exec image that can only inspect and signal the processes of the host. */
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
    // Engines that remap user namespaces allow the host's PID namespace only with the host's user namespace.
    UsernsMode: "host",
    NetworkMode: "none",
    ReadonlyRootfs: true,
    CapDrop: ["ALL"],
    CapAdd: ["KILL", "SYS_PTRACE", "DAC_READ_SEARCH"],
    SecurityOpt: ["no-new-privileges"],
    LogConfig: { Type: "json-file", Config: {} }
  }
})
