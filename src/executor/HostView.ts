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

/**
 * How this engine names the image of a reference: by the reference itself, or by the ID of an image that has the reference's digest
 * and whose repository has the same path in another registry. `undefined` where the engine has no such image.
 *
 * No label and no tag stands in for that: a container of the image may see and signal every process of the host.
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
  // As engines tell a registry's host from a path (`splitDockerDomain` of distribution/reference).
  const path = name?.replace(/:[^/:]*$/, "").replace(/^(?:[^/]*[.:][^/]*|localhost)\//, "")
  return path === undefined ? undefined : `${path}@${digest}`
}

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
