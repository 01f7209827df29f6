/** The image of helpers. */

import { readFileSync } from "node:fs"
import { dirname } from "node:path"
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { defaultContext } from "../engine/DockerConfig.ts"
import { currentContext } from "../engine/DockerContext.ts"
import type { DockerEngineShape } from "../engine/DockerEngine.ts"
import { Swarm } from "../engine/Swarm.ts"
import { ownFile } from "../executor/OwnProgram.ts"
import { configFilePath, type InvalidConfigFile, imageFor, readConfigFile } from "./ConfigFile.ts"
import { defaultImage, isUnpublished } from "./DefaultImage.ts"

/** An image, and what named it: `TASK_EXEC_IMAGE`, `context prod in /root/.config/task-exec/config.json`. */
interface NamedImage {
  readonly image: string
  readonly source: string
}

/**
 * Finds the image of helpers, agents and relays.
 *
 * @category services
 * @since 0.1.0
 */
export class HelperImage extends Context.Service<
  HelperImage,
  {
    /** Reference of the image for requests that name none. Cached. */
    readonly reference: Effect.Effect<string>
    /** What named that image, for people: `TASK_EXEC_IMAGE`, `context prod in /root/.config/task-exec/config.json`. */
    readonly source: Effect.Effect<string>
    /** Returns the reference of this image by its digest, if the connected engine knows one. */
    readonly pin: (reference: string) => Effect.Effect<string>
  }
>()("task-exec/HelperImage") {
  /**
   * Finds the image in the environment, in the configuration file, or by default.
   *
   * **Details**: the first of these that names an image counts:
   * - the variable `TASK_EXEC_IMAGE`
   * - the docker context in the configuration file (`task-exec/config.json` in `XDG_CONFIG_HOME` or `~/.config`)
   * - all contexts in that file
   * - in a container of task-exec's image: that image
   * - {@link defaultImage}
   *
   * Fails with `InvalidConfigFile` if the file can't be read or is invalid.
   *
   * @category layers
   * @since 0.1.0
   */
  static readonly layer: Layer.Layer<HelperImage, Config.ConfigError | InvalidConfigFile, Swarm> = Layer.effect(
    HelperImage,
    Effect.gen(function* () {
      const { engine } = yield* Swarm
      const named = yield* namedImage
      const pin = (image: string) => Effect.flatMap(engine, (one) => pinned(one, image))
      const found = yield* Effect.cached(
        named === undefined
          ? Effect.flatMap(engine, ownImage)
          : Effect.map(pin(named.image), (image): NamedImage => ({ ...named, image }))
      )
      return HelperImage.of({
        reference: Effect.map(found, ({ image }) => image),
        source: Effect.map(found, ({ source }) => source),
        pin
      })
    })
  )

  /**
   * Uses this reference as the default image. Images are not replaced by their digests.
   *
   * @category layers
   * @since 0.1.0
   */
  static readonly layerOf = (reference: string): Layer.Layer<HelperImage> =>
    Layer.succeed(HelperImage, {
      reference: Effect.succeed(reference),
      source: Effect.succeed("the program"),
      pin: Effect.succeed
    })
}

/** The image that the environment or the configuration file names. */
const namedImage = Effect.gen(function* (): Effect.fn.Return<
  NamedImage | undefined,
  Config.ConfigError | InvalidConfigFile
> {
  const variable = yield* text("TASK_EXEC_IMAGE")
  if (variable !== "") return { image: variable, source: "TASK_EXEC_IMAGE" }
  const file = yield* configFilePath
  const config = yield* readConfigFile(file)
  // As the docker CLI: an address from DOCKER_HOST is the default context.
  const context = (yield* text("DOCKER_HOST")) === "" ? yield* currentContext : undefined
  return imageFor(file, config, context ?? defaultContext)
})

const text = (name: string) => Config.String(name).pipe(Config.withDefault(""))

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

const fallback = (engine: DockerEngineShape): Effect.Effect<NamedImage> =>
  Effect.map(pinned(engine, defaultImage), (image) => ({
    image,
    source: isUnpublished(defaultImage) ? "the default of a build from a checkout" : "the image of this release"
  }))

/** Where the image has its programs (Dockerfile). A program elsewhere may run in a container of any image, which is no image of helpers. */
const imageFolder = "/opt/task-exec"

const ownImage = Effect.fnUntraced(function* (engine: DockerEngineShape): Effect.fn.Return<NamedImage> {
  const self = dirname(ownFile()) === imageFolder ? yield* ownContainer : Option.none<string>()
  if (Option.isNone(self)) return yield* fallback(engine)
  return yield* engine.inspectContainer(self.value).pipe(
    Effect.flatMap((container) =>
      engine.inspectImage(container.Image).pipe(
        // Every node can pull an image by its digest; by its ID only nodes that have the image can use it.
        Effect.map(({ Id, RepoDigests }) => ({ image: RepoDigests[0] ?? Id, source: "the image of this container" }))
      )
    ),
    // The process is in a container of another engine.
    Effect.catch(() => fallback(engine))
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
