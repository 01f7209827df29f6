import { PassThrough } from "node:stream"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { readLine } from "../../../src/carrier/readLine.ts"

/** The unread rest of a stream. */
const rest = (stream: PassThrough): Effect.Effect<string> => {
  stream.end()
  return Effect.promise(async () => Buffer.concat(await stream.toArray()).toString())
}

describe("readLine", () => {
  it.effect("returns the first line, in any pieces, and does not read beyond it", () =>
    Effect.gen(function* () {
      for (const pieces of [
        ["key ü\nmore\n"],
        ["key", " \xc3", "\xbc", "\nmo", "re\n"],
        ["key \xc3\xbc\n", "more\n"]
      ]) {
        const stream = new PassThrough()
        const written = Effect.gen(function* () {
          for (const piece of pieces) {
            stream.write(Buffer.from(piece, piece.includes("ü") ? "utf8" : "latin1"))
            yield* Effect.yieldNow
          }
        })
        const [line] = yield* Effect.all([readLine(stream, "it"), written], { concurrency: 2 })
        assert.strictEqual(line, "key ü")
        assert.strictEqual(yield* rest(stream), "more\n")
      }
    })
  )

  it.effect("returns an empty line", () =>
    Effect.gen(function* () {
      const stream = new PassThrough()
      stream.write("\n")
      assert.strictEqual(yield* readLine(stream, "it"), "")
      assert.strictEqual(yield* rest(stream), "")
    })
  )

  it.effect("fails if the connection ends or breaks, or if the line is too long", () =>
    Effect.gen(function* () {
      const failure = (act: (stream: PassThrough) => void) =>
        Effect.suspend(() => {
          const stream = new PassThrough()
          stream.on("error", () => undefined)
          const acted = Effect.sync(() => act(stream))
          return Effect.all([Effect.flip(readLine(stream, "it")), acted], { concurrency: 2 })
        }).pipe(Effect.map(([{ detail }]) => detail))
      assert.strictEqual(yield* failure((stream) => stream.end("half a line")), "it closed the connection")
      assert.strictEqual(yield* failure((stream) => void stream.destroy()), "it closed the connection")
      const flood = yield* failure((stream) => void stream.write("x".repeat(2000)))
      assert.strictEqual(flood, "it sent an invalid message")
    })
  )
})
