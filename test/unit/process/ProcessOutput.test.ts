import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { ProcessOutput } from "../../../src/process/ProcessOutput.ts"

const bytes = (text: string) => new TextEncoder().encode(text)
const megabyte = new Uint8Array(1024 * 1024)
const text = (stream: Stream.Stream<Uint8Array, string>) => Stream.mkString(Stream.decodeText(stream))

/** Whether a fiber still waits after everything else that could run has run. */
const waits = <A, E>(fiber: Fiber.Fiber<A, E>) =>
  Effect.map(Effect.repeat(Effect.yieldNow, { times: 20 }), () => fiber.pollUnsafe() === undefined)

describe("the output of a command", () => {
  it.effect("comes to a reader of both channels in the order of its arrival", () =>
    Effect.gen(function* () {
      const output = new ProcessOutput<string>()
      for (const word of ["a", "b", "c"]) {
        yield* output.add("stdout", bytes(word))
        yield* output.add("stderr", bytes(word.toUpperCase()))
      }
      output.close(Exit.void)
      assert.strictEqual(yield* text(output.read("stdout", "stderr")), "aAbBcC")
    })
  )

  it.effect("comes to the readers of each channel, and then its end", () =>
    Effect.gen(function* () {
      const output = new ProcessOutput<string>()
      const readers = yield* Effect.all([text(output.read("stdout")), Effect.flip(text(output.read("stderr")))], {
        concurrency: 2
      }).pipe(Effect.forkChild)
      yield* output.add("stdout", bytes("out"))
      assert.isTrue(yield* waits(readers))
      output.close(Exit.void)
      output.close(Exit.fail("later"))
      assert.strictEqual((yield* Effect.exit(Fiber.join(readers)))._tag, "Failure")
      assert.strictEqual(yield* text(output.read("stdout")), "")
    })
  )

  it.effect("is held back above one megabyte, until it is read", () =>
    Effect.gen(function* () {
      const output = new ProcessOutput<string>()
      const adding = yield* Effect.forkChild(output.add("stdout", megabyte))
      assert.isTrue(yield* waits(adding))
      // Reading another channel frees no room.
      yield* Effect.forkChild(text(output.read("stderr")))
      assert.isTrue(yield* waits(adding))
      yield* Stream.runDrain(Stream.take(output.read("stdout"), 1))
      yield* Fiber.join(adding)
    })
  )

  it.effect("is dropped above one megabyte if a killed command has no reader", () =>
    Effect.gen(function* () {
      const output = new ProcessOutput<string>()
      const adding = yield* Effect.forkChild(output.add("stdout", megabyte))
      assert.isTrue(yield* waits(adding))
      output.killed()
      yield* Fiber.join(adding)
      yield* output.add("stdout", bytes("dropped"))
      output.close(Exit.void)
      const chunks = yield* Stream.runCollect(output.read("stdout"))
      assert.deepStrictEqual(
        chunks.map(({ length }) => length),
        [megabyte.length]
      )
    })
  )

  it.effect("of a killed command waits for its reader, until that leaves", () =>
    Effect.gen(function* () {
      const output = new ProcessOutput<string>()
      const reader = yield* Effect.forkChild(Stream.runForEach(output.read("stdout"), () => Effect.never))
      assert.isTrue(yield* waits(reader))
      yield* output.add("stdout", bytes("first"))
      output.killed()
      const adding = yield* Effect.forkChild(output.add("stdout", megabyte))
      assert.isTrue(yield* waits(adding))
      yield* Fiber.interrupt(reader)
      yield* Fiber.join(adding)
    })
  )

  const pieces = Arbitrary.array(
    Arbitrary.schema(Schema.Struct({ channel: Schema.Literals(["stdout", "stderr"]), text: Schema.String }))
  )

  it.effect.prop(
    "arrives once and in order, read as one stream or as two",
    [pieces, Arbitrary.schema(Schema.Boolean)],
    ([pieces, apart]) =>
      Effect.gen(function* () {
        const output = new ProcessOutput<string>()
        const textsOf = (...channels: ReadonlyArray<string>) =>
          pieces
            .filter(({ channel }) => channels.includes(channel))
            .map(({ text }) => text.toWellFormed())
            .join("")
        const wanted = apart ? ([["stdout"], ["stderr"]] as const) : ([["stdout", "stderr"]] as const)
        const reading = yield* Effect.forEach(wanted, (channels) => text(output.read(...channels)), {
          concurrency: "unbounded"
        }).pipe(Effect.forkChild)
        for (const { channel, text } of pieces) {
          yield* output.add(channel, bytes(text))
          if (text.length % 2 === 0) yield* Effect.yieldNow
        }
        output.close(Exit.void)
        assert.deepStrictEqual(
          yield* Fiber.join(reading),
          wanted.map((channels) => textsOf(...channels))
        )
      })
  )
})
