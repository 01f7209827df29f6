import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import { earlyInputLimit, readEarly } from "../../../src/node/EarlyInput.ts"

const bytes = (text: string) => new TextEncoder().encode(text)
const textOf = (stdin: Stream.Stream<Uint8Array>) =>
  Effect.map(Stream.runCollect(stdin), (chunks) => Buffer.concat(chunks).toString())

/** Pieces of input, each with the milliseconds before it. */
const pieces = Arbitrary.array(
  Arbitrary.schema(
    Schema.Tuple([Schema.String, Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 30 })))])
  ),
  { maxLength: 12 }
)

describe("readEarly", () => {
  it.effect("input that ends at once is complete", () =>
    Effect.gen(function* () {
      for (const text of ["", "hi\n"]) {
        const early = yield* readEarly(Stream.make(bytes(text)))
        assert.isTrue(early.isWhole)
        assert.strictEqual(yield* textOf(early.stdin), text)
      }
      assert.isTrue((yield* readEarly(Stream.empty)).isWhole)
    }).pipe(Effect.scoped)
  )

  it.effect("input that ends within 50 ms is complete", () =>
    Effect.gen(function* () {
      for (const [after, isWhole] of [
        [45, true],
        [55, false]
      ] as const) {
        const stdin = Stream.concat(
          Stream.make(bytes("a")),
          Stream.fromEffect(Effect.delay(Effect.succeed(bytes("b")), after))
        )
        const reading = yield* Effect.forkScoped(readEarly(stdin))
        yield* TestClock.adjust("60 millis")
        const early = yield* Fiber.join(reading)
        assert.strictEqual(early.isWhole, isWhole)
        assert.strictEqual(yield* textOf(early.stdin), "ab")
      }
    }).pipe(Effect.scoped)
  )

  it.effect("input up to the limit is complete, and with one more byte it is not", () =>
    Effect.gen(function* () {
      const half = new Uint8Array(earlyInputLimit / 2)
      assert.isTrue((yield* readEarly(Stream.make(half, half))).isWhole)
      const { isWhole, stdin } = yield* readEarly(Stream.make(half, half, bytes("x")))
      assert.isFalse(isWhole)
      assert.lengthOf(yield* textOf(stdin), earlyInputLimit + 1)
    }).pipe(Effect.scoped)
  )

  it.effect("continuing input is held back until it is consumed", () =>
    Effect.gen(function* () {
      let pulled = 0
      const chunk = new Uint8Array(256 * 1024)
      const endless = Stream.tap(Stream.forever(Stream.succeed(chunk)), () => Effect.sync(() => void pulled++))
      const reading = yield* Effect.forkScoped(readEarly(endless))
      yield* TestClock.adjust("60 millis")
      const { isWhole, stdin } = yield* Fiber.join(reading)
      assert.isFalse(isWhole)
      yield* TestClock.adjust("1 minute")
      const held = pulled
      assert.isAtMost(held, 6)
      yield* Stream.runDrain(Stream.take(stdin, 20))
      assert.isAtLeast(pulled, 20)
      assert.isAtMost(pulled, 26)
    }).pipe(Effect.scoped)
  )

  it.effect.prop("every byte arrives once and in order, wherever the wait ends", [pieces], ([pieces]) =>
    Effect.gen(function* () {
      const stdin = Stream.fromIterable(pieces).pipe(
        Stream.mapEffect(([text, after]) => Effect.delay(Effect.succeed(bytes(text)), after))
      )
      const read = yield* Effect.forkScoped(Effect.flatMap(readEarly(stdin), (early) => textOf(early.stdin)))
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* Fiber.join(read), Buffer.concat(pieces.map(([text]) => bytes(text))).toString())
    }).pipe(Effect.scoped)
  )
})
