import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { prepareBase } from "../../../adapters/image/BaseImage.ts"
import { type ImageEngine, ImageStepFailed } from "../../../adapters/image/ImageEngine.ts"

const architectures: Readonly<Record<string, string>> = { x64: "amd64", arm64: "arm64" }
const here = { Os: process.platform, Arch: architectures[process.arch] ?? process.arch }

const noRegistry = new ImageStepFailed({ host: "unix:///test", operation: "pull x", detail: "no word from it" })

/** An engine that records its requests. It has the given, imported and pulled images. */
const engine = (options: { has?: ReadonlyArray<string>; registry?: ReadonlyArray<string>; Arch?: string }) => {
  const images = new Set(options.has)
  const done: Array<string> = []
  const unused = () => Effect.die("not asked for")
  const shape: ImageEngine = {
    platform: Effect.succeed({ ...here, ...(options.Arch === undefined ? {} : { Arch: options.Arch }) }),
    has: (name) => Effect.sync(() => images.has(name)),
    pull: (name) => {
      done.push(`pull ${name}`)
      if (options.registry?.includes(name) !== true) return Effect.fail(noRegistry)
      images.add(name)
      return Effect.void
    },
    importImage: (_, { repository, tag }) =>
      Effect.sync(() => {
        done.push(`import ${repository}`)
        images.add(`${repository}:${tag}`)
      }),
    build: unused,
    push: unused
  }
  return { shape, done }
}

const usual = "node:26-slim"
const onLinux = describe.skipIf(process.platform !== "linux")

describe("BaseImage", () => {
  it.effect("uses an image that the engine has, without a registry", () =>
    Effect.gen(function* () {
      const { shape, done } = engine({ has: [usual, "other:1"] })
      assert.strictEqual(yield* prepareBase(shape, undefined, usual), usual)
      assert.strictEqual(yield* prepareBase(shape, "other:1", usual), "other:1")
      assert.deepStrictEqual(done, [])
    })
  )

  it.effect("pulls an image that the engine does not have", () =>
    Effect.gen(function* () {
      const { shape, done } = engine({ registry: [usual, "other:1"] })
      assert.strictEqual(yield* prepareBase(shape, undefined, usual), usual)
      assert.strictEqual(yield* prepareBase(shape, "other:1", usual), "other:1")
      assert.deepStrictEqual(done, [`pull ${usual}`, "pull other:1"])
    })
  )

  it.effect("fails if the requested image is unavailable", () =>
    Effect.gen(function* () {
      const { shape, done } = engine({ has: [usual] })
      assert.strictEqual(yield* Effect.flip(prepareBase(shape, "other:1", usual)), noRegistry)
      assert.deepStrictEqual(done, ["pull other:1"])
    })
  )

  onLinux("assembled", () => {
    it.effect("is assembled if the usual image is unavailable, once, and named by its content", () =>
      Effect.gen(function* () {
        const { shape, done } = engine({})
        const first = yield* prepareBase(shape, undefined, usual)
        assert.match(first, /^task-exec-base:[0-9a-f]{16}$/)
        assert.strictEqual(yield* prepareBase(shape, "scratch", usual), first)
        assert.deepStrictEqual(done, [`pull ${usual}`, "import task-exec-base"])
      })
    )

    it.effect("is refused for an engine of another architecture", () =>
      Effect.gen(function* () {
        const { shape } = engine({ Arch: "s390x" })
        const error = yield* Effect.flip(prepareBase(shape, "scratch", usual))
        assert.match(
          error.message,
          /\(linux\/\w+\) does not run on the engine \(linux\/s390x\)\. Name a base image with --base$/
        )
      })
    )
  })
})
