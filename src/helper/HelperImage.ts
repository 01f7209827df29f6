/** Which image helpers are made of. */

import { readFileSync } from "node:fs"
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { DockerEngine } from "../engine/DockerEngine.ts"
import { version } from "../Version.ts"

/** The image that is used where none is named. */
export const defaultImage = `task-exec:${version}`

/** Finds the image for helpers. */
export class HelperImage extends Context.Service<
  HelperImage,
  {
    /** The image of those requests that name none. Looked up once. */
    readonly reference: Effect.Effect<string>
    /** This image, by its digest where the engine at hand knows one. */
    readonly pin: (reference: string) => Effect.Effect<string>
  }
>()("task-exec/HelperImage") {
  /** The image that `TASK_EXEC_IMAGE` names; else, in a container, that container's own; else `task-exec:VERSION`. */
  static readonly layer: Layer.Layer<HelperImage, Config.ConfigError, DockerEngine> = Layer.effect(
    HelperImage,
    Effect.gen(function* () {
      const engine = yield* DockerEngine
      const named = yield* Config.String("TASK_EXEC_IMAGE").pipe(Config.option)
      const reference = Option.isSome(named) && named.value !== "" ? pinned(engine, named.value) : ownImage(engine)
      return HelperImage.of({ reference: yield* Effect.cached(reference), pin: (image) => pinned(engine, image) })
    })
  )

  /** This image, as it is named; so are those that requests name. */
  static readonly layerOf = (reference: string): Layer.Layer<HelperImage> =>
    Layer.succeed(HelperImage, { reference: Effect.succeed(reference), pin: Effect.succeed })
}

type Engine = DockerEngine["Service"]

/**
 * A node asks the registry for every tag at every start, but not for a digest that it has (measured: 0.04 s with a
 * registry next door). So a tag that the engine at hand has pulled or pushed is named by its digest.
 */
const pinned = (engine: Engine, reference: string): Effect.Effect<string> => {
  if (reference.includes("@") || reference.startsWith("sha256:")) return Effect.succeed(reference)
  const repository = reference.replace(/:[^/:]*$/, "")
  return engine.inspectImage(reference).pipe(
    Effect.map(({ RepoDigests }) => RepoDigests.find((digest) => digest.startsWith(`${repository}@`)) ?? reference),
    // Not there, or not to be asked: the nodes find it by its tag.
    Effect.orElseSucceed(() => reference)
  )
}

const ownImage = Effect.fnUntraced(function* (engine: Engine) {
  const self = yield* ownContainer
  if (Option.isNone(self)) return yield* pinned(engine, defaultImage)
  return yield* engine.inspectContainer(self.value).pipe(
    Effect.flatMap((container) =>
      engine.inspectImage(container.Image).pipe(
        // By digest every node can pull it; by its ID those that have it can use it.
        Effect.map(({ Id, RepoDigests }) => RepoDigests[0] ?? Id)
      )
    ),
    // In a container, but of another engine than the one that we talk to.
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
