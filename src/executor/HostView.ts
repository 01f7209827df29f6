/**
 * Access to the processes of an engine's host. This process has access if it is root in the host's PID namespace. Otherwise, a container of
 * the task-exec image with the host's PID namespace is needed.
 */

import { readFileSync } from "node:fs"
import { geteuid } from "node:process"
import * as Effect from "effect/Effect"
import type { DockerEngine } from "../engine/DockerEngine.ts"
import { type EngineFailure, isNotFound } from "../engine/EngineErrors.ts"
import type { ContainerCreate } from "../engine/RequestBodies.ts"

type Engine = DockerEngine["Service"]

/** Inspects containers. */
export type Inspector = Pick<Engine, "inspectContainer">

/**
 * Whether this process can inspect and signal the processes of a container. It must be root, and its `/proc` must be that of the engine's
 * host: there, the container's main process is in the container's cgroup.
 */
export const reachesProcessesOf = (inspector: Inspector, container: string): Effect.Effect<boolean> =>
  Effect.map(mainProcessOf(inspector, container), (pid) => pid !== undefined)

/** Returns the PID of a container's main process; `undefined` if this process can't inspect it: see {@link reachesProcessesOf}. */
export const mainProcessOf = (inspector: Inspector, container: string): Effect.Effect<number | undefined> =>
  geteuid?.() === 0
    ? inspector.inspectContainer(container).pipe(
        Effect.flatMap(({ State }) =>
          Effect.try(() => {
            const isInContainer = readFileSync(`/proc/${State.Pid}/cgroup`, "utf8").includes(container)
            return isInContainer ? State.Pid : undefined
          })
        ),
        Effect.orElseSucceed(() => undefined)
      )
    : Effect.succeed(undefined)

/**
 * Finds an image on the engine. Returns the reference itself, or the ID of an image from another registry with the same digest and
 * repository path; `undefined` if the engine has no such image.
 *
 * An equal label or tag is not enough, because a container of the image can see and signal every process of the host.
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
  return images.find(({ RepoDigests }) => RepoDigests.some((digest) => pathAndDigest(digest) === wanted))?.Id
})

/** Returns `team/tool@sha256:…` for `REGISTRY/team/tool[:TAG]@sha256:…`; `undefined` for a reference without a digest. */
const pathAndDigest = (reference: string): string | undefined => {
  const [, name, digest] = /^([^@]+)@(.+)$/.exec(reference) ?? []
  // The rule by which engines recognize a registry's host (distribution/reference, `splitDockerDomain`).
  const path = name?.replace(/:[^/:]*$/, "").replace(/^(?:[^/]*[.:][^/]*|localhost)\//, "")
  return path === undefined ? undefined : `${path}@${digest}`
}

/** Returns the spec of a container of the task-exec image that can inspect and signal the processes of the host, and nothing else. */
export const hostPidContainer = (
  image: string,
  command: readonly [string, ...ReadonlyArray<string>],
  labels: Readonly<Record<string, string>>
): ContainerCreate => ({
  Image: image,
  Cmd: command,
  Labels: labels,
  // The network namespace is the runtime's own, with the loopback interface only. For the network "none", engine 20.10 would also make a
  // namespace in processes of its own, for 0.1 s of CPU time.
  NetworkDisabled: true,
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
