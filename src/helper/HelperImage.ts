/** The image of helpers. */

import { readFileSync } from "node:fs"
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type { DockerEngineShape } from "../engine/DockerEngine.ts"
import { Swarm } from "../engine/Swarm.ts"
import { version } from "../Version.ts"

/** The default image. */
export const defaultImage = `task-exec:${version}`

/** Finds the image for helpers. */
export class HelperImage extends Context.Service<
  HelperImage,
  {
    /** Reference of the image for requests that name none. Cached. */
    readonly reference: Effect.Effect<string>
    /** Returns the reference of this image by its digest, if the connected engine knows one. */
    readonly pin: (reference: string) => Effect.Effect<string>
  }
>()("task-exec/HelperImage") {
  /** Takes the image from `TASK_EXEC_IMAGE`; without it, in a container, the container's own image; else `task-exec:VERSION`. */
  static readonly layer: Layer.Layer<HelperImage, Config.ConfigError, Swarm> = Layer.effect(
    HelperImage,
    Effect.gen(function* () {
      const { engine } = yield* Swarm
      const named = yield* Config.String("TASK_EXEC_IMAGE").pipe(Config.option)
      const pin = (image: string) => Effect.flatMap(engine, (one) => pinned(one, image))
      const reference = Option.isSome(named) && named.value !== "" ? pin(named.value) : Effect.flatMap(engine, ownImage)
      return HelperImage.of({ reference: yield* Effect.cached(reference), pin })
    })
  )

  /** Uses this reference, and those of requests, unchanged. */
  static readonly layerOf = (reference: string): Layer.Layer<HelperImage> =>
    Layer.succeed(HelperImage, { reference: Effect.succeed(reference), pin: Effect.succeed })
}

/**
 * Replaces a tag by the digest that the connected engine knows from a pull or push. A node asks the registry for a tag at every start
 * (measured: 0.04 s with a registry nearby), but not for a digest that it has.
 */
const pinned = (engine: DockerEngineShape, reference: string): Effect.Effect<string> => {
  if (reference.includes("@") || reference.startsWith("sha256:")) return Effect.succeed(reference)
  const repository = reference.replace(/:[^/:]*$/, "")
  return engine.inspectImage(reference).pipe(
    Effect.map(({ RepoDigests }) => RepoDigests.find((digest) => digest.startsWith(`${repository}@`)) ?? reference),
    // The engine does not have the image, or can't be asked: the nodes find it by its tag.
    Effect.orElseSucceed(() => reference)
  )
}

const ownImage = Effect.fnUntraced(function* (engine: DockerEngineShape) {
  const self = yield* ownContainer
  if (Option.isNone(self)) return yield* pinned(engine, defaultImage)
  return yield* engine.inspectContainer(self.value).pipe(
    Effect.flatMap((container) =>
      engine.inspectImage(container.Image).pipe(
        // Every node can pull an image by its digest; by its ID only nodes that have the image can use it.
        Effect.map(({ Id, RepoDigests }) => RepoDigests[0] ?? Id)
      )
    ),
    // The process is in a container of another engine.
    Effect.catch(() => pinned(engine, defaultImage))
  )
})

/** The ID of the container that this process is in: the engine's own mounts (`/etc/hosts`, …) come from its folder. */
const ownContainer = Effect.sync(() => {
  try {
    return Option.fromNullishOr(
      /\/containers\/([0-9a-f]{64})\//.exec(readFileSync("/proc/self/mountinfo", "utf8"))?.[1]
    )
  } catch {
    // No /proc: not Linux, so not in a container.
    return Option.none<string>()
  }
})
