import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { type PullAmount, pullAmounts } from "../../../src/engine/PullProgress.ts"

const line = (id: string, status: string, current?: number, total?: number) =>
  `${JSON.stringify({ status, progressDetail: { current, total }, id })}\r\n`

/** The progress of engine 20.10 for an image with one layer that it has. */
const pull = [
  '{"status":"Pulling from task-exec","id":"1"}\r\n',
  line("a", "Already exists"),
  line("b", "Pulling fs layer"),
  line("c", "Pulling fs layer"),
  line("b", "Downloading", 100, 1000),
  line("c", "Downloading", 50, 500),
  line("b", "Downloading", 900, 1000),
  line("b", "Verifying Checksum"),
  line("b", "Download complete"),
  line("c", "Downloading", 400, 500),
  line("c", "Download complete"),
  line("b", "Extracting", 3000, 4000),
  line("c", "Pull complete"),
  '{"status":"Digest: sha256:38"}\r\n',
  '{"status":"Status: Downloaded newer image for r/task-exec:1"}\r\n'
]

const amounts: ReadonlyArray<PullAmount> = [
  { done: 100, total: 1000 },
  { done: 150, total: 1500 },
  { done: 950, total: 1500 },
  { done: 1050, total: 1500 },
  { done: 1400, total: 1500 },
  { done: 1500, total: 1500 }
]

const read = (chunks: ReadonlyArray<Uint8Array>) =>
  pullAmounts(
    Stream.fromIterable(chunks),
    (text) => `refused: ${text}`,
    (text) => `strange: ${text}`
  ).pipe(Stream.runCollect)

const readText = (...lines: ReadonlyArray<string>) => read([Buffer.from(lines.join(""))])

/** Positions to cut at, as fractions of the length. */
const cuts = Arbitrary.array(
  Arbitrary.schema(Schema.Finite.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 1 })))),
  { maxLength: 10 }
)

describe("the progress of a pull", () => {
  it.effect.prop("is the sum over the layers, wherever the lines are split", [cuts], ([parts]) =>
    Effect.gen(function* () {
      const bytes = Buffer.from(pull.join(""))
      const cuts = [0, ...parts.map((part) => Math.floor(part * bytes.length)).sort((a, b) => a - b), bytes.length]
      const chunks = cuts.slice(1).map((end, at) => bytes.subarray(cuts[at], end))
      assert.deepStrictEqual(yield* read(chunks), [...amounts])
    })
  )

  it.effect("never exceeds the size of a layer; empty if an engine reports no amounts", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* readText(line("a", "Downloading", 7, 5)), [{ done: 5, total: 5 }])
      assert.deepStrictEqual(yield* readText(line("a", "Extracting", 2), line("a", "Downloading", 2), ""), [])
    })
  )

  it.effect("fails with the engine's error, and with an invalid line", () =>
    Effect.gen(function* () {
      const error = '{"errorDetail":{"message":"unauthorized"},"error":"unauthorized: no"}\r\n'
      assert.strictEqual(yield* Effect.flip(readText(...pull.slice(0, 4), error)), "refused: unauthorized: no")
      assert.strictEqual(yield* Effect.flip(readText("<html>\n")), "strange: <html>")
    })
  )
})
