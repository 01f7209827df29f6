/** Finds the image of helpers. */

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
import type { Image } from "../engine/EngineSchemas.ts"
import { Swarm } from "../engine/Swarm.ts"
import { ownFile } from "../executor/OwnProgram.ts"
import { configFilePath, type InvalidConfigFile, imageFor, readConfigFile } from "./ConfigFile.ts"
import { defaultImage, isUnpublished } from "./DefaultImage.ts"

/** An image, and the setting that names it: `TASK_EXEC_IMAGE`, `context prod in /root/.config/task-exec/config.json`. */
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
    /** Reference of the image for requests without one. Cached. */
    readonly reference: Effect.Effect<string>
    /** The setting that names that image, for messages: `TASK_EXEC_IMAGE`, `context prod in /root/.config/task-exec/config.json`. */
    readonly source: Effect.Effect<string>
    /** Replaces a tag by the image's digest, if the connected engine knows the digest. */
    readonly pin: (reference: string) => Effect.Effect<string>
  }
>()("task-exec/HelperImage") {
  /**
   * Finds the image in the environment or the configuration file, or uses the default.
   *
   * **Details**: the first of these settings that names an image counts:
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
      const pin = (image: string) => Effect.flatMap(engine, (connected) => pinned(connected, image))
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

/** Returns the image that the environment or the configuration file names; `undefined` without one. */
const namedImage = Effect.gen(function* (): Effect.fn.Return<
  NamedImage | undefined,
  Config.ConfigError | InvalidConfigFile
> {
  const variable = yield* text("TASK_EXEC_IMAGE")
  if (variable !== "") return { image: variable, source: "TASK_EXEC_IMAGE" }
  const file = yield* configFilePath
  const config = yield* readConfigFile(file)
  // For the docker CLI, an address in DOCKER_HOST is the default context, too.
  const context = (yield* text("DOCKER_HOST")) === "" ? yield* currentContext : undefined
  return imageFor(file, config, context ?? defaultContext)
})

const text = (name: string) => Config.String(name).pipe(Config.withDefault(""))

/** Returns the image's digest in the repository of a reference, if the engine knows it. */
const digestIn = (reference: string, { RepoDigests }: Pick<Image, "RepoDigests">): string | undefined => {
  const repository = reference.replace(/@.*$/, "").replace(/:[^/:]*$/, "")
  return RepoDigests.find((digest) => digest.startsWith(`${repository}@`))
}

/**
 * Replaces a tag by the digest that the connected engine knows from a pull or push. At every start of a helper, a node looks up a tag in
 * the registry (measured: 0.04 s with a registry nearby), but not a digest that it has.
 */
const pinned = (engine: DockerEngineShape, reference: string): Effect.Effect<string> => {
  if (reference.includes("@") || reference.startsWith("sha256:")) return Effect.succeed(reference)
  return engine.inspectImage(reference).pipe(
    Effect.map((image) => digestIn(reference, image) ?? reference),
    // The engine does not have the image or does not respond. The nodes then find the image by its tag.
    Effect.orElseSucceed(() => reference)
  )
}

const fallback = (engine: DockerEngineShape): Effect.Effect<NamedImage> =>
  Effect.map(pinned(engine, defaultImage), (image) => ({
    image,
    source: isUnpublished(defaultImage) ? "the default of a build from a checkout" : "the image of this release"
  }))

/** The directory of the programs in the task-exec image (Dockerfile). A program in another directory may run in a container of another image. */
const imageFolder = "/opt/task-exec"

const ownImage = Effect.fnUntraced(function* (engine: DockerEngineShape): Effect.fn.Return<NamedImage> {
  const self = dirname(ownFile()) === imageFolder ? yield* ownContainer : Option.none<string>()
  if (Option.isNone(self)) return yield* fallback(engine)
  return yield* engine.inspectContainer(self.value).pipe(
    Effect.flatMap((container) =>
      engine.inspectImage(container.Image).pipe(
        // Every node can pull an image by its digest, from the registry of this container's image. Its ID works only on nodes that have it.
        Effect.map((image) => ({
          image: digestIn(container.Config.Image, image) ?? image.RepoDigests[0] ?? image.Id,
          source: "the image of this container"
        }))
      )
    ),
    // The process runs in a container of another engine.
    Effect.catch(() => fallback(engine))
  )
})

/** Returns the ID of the container in which this process runs, from the source of the engine's mounts (`/etc/hosts`, …). */
const ownContainer = Effect.sync(() => {
  try {
    return Option.fromNullishOr(
      /\/containers\/([0-9a-f]{64})\//.exec(readFileSync("/proc/self/mountinfo", "utf8"))?.[1]
    )
  } catch {
    // Without /proc, the system is not Linux, so this process is not in a container.
    return Option.none<string>()
  }
})
