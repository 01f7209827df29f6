import { PassThrough, Readable } from "node:stream"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { fromReadable } from "../../../src/engine/fromReadable.ts"

// No empty chunks: two in a row stall a Node readable, and sockets never emit them.
const Chunks = Schema.Array(Schema.Uint8Array.pipe(Schema.check(Schema.isMinLength(1))))
const Delays = Schema.Array(Schema.Boolean)

const joined = (chunks: ReadonlyArray<Uint8Array>) => Buffer.concat(chunks).toString("hex")
const asIs = (cause: unknown) => cause
const tick = Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))

/** Emits its chunks one by one, some of them a moment later. */
const source = (
  chunks: ReadonlyArray<Uint8Array>,
  delays: ReadonlyArray<boolean>,
  end: (readable: Readable) => void
) => {
  let next = 0
  return new Readable({
    highWaterMark: 16,
    read() {
      const chunk = chunks[next]
      const give = () => {
        if (chunk === undefined) end(this)
        else this.push(chunk)
      }
      if (delays[next++] === true) setImmediate(give)
      else give()
    }
  })
}

describe("fromReadable", () => {
  it.live.prop("gives the written bytes", { chunks: Chunks, delays: Delays }, ({ chunks, delays }) =>
    Effect.scoped(
      Effect.gen(function* () {
        const stream = yield* fromReadable(
          source(chunks, delays, (readable) => readable.push(null)),
          asIs
        )
        assert.strictEqual(joined(yield* Stream.runCollect(stream)), joined(chunks))
      })
    )
  )

  it.live.prop("gives the written bytes to a slow reader", { chunks: Chunks, delays: Delays }, ({ chunks, delays }) =>
    Effect.scoped(
      Effect.gen(function* () {
        const stream = yield* fromReadable(
          source(chunks, delays, (readable) => readable.push(null)),
          asIs
        )
        const slow = stream.pipe(Stream.tap(() => tick))
        assert.strictEqual(joined(yield* Stream.runCollect(slow)), joined(chunks))
      })
    )
  )

  it.live("gives the bytes before an error, then the error", () =>
    Effect.gen(function* () {
      const boom = new Error("boom")
      const through = new PassThrough()
      const stream = yield* fromReadable(through, asIs)
      through.write("before")
      yield* tick
      through.destroy(boom)
      yield* tick
      const seen: Array<string> = []
      const result = yield* stream.pipe(
        Stream.runForEach((chunk) => Effect.sync(() => seen.push(Buffer.from(chunk).toString()))),
        Effect.result
      )
      assert.deepStrictEqual(seen, ["before"])
      assert.deepStrictEqual(result, Result.fail(boom))
    })
  )

  it.live("fails when the readable is closed before its end", () =>
    Effect.gen(function* () {
      const through = new PassThrough()
      const stream = yield* fromReadable(through, asIs)
      const fiber = yield* Effect.forkChild(Effect.flip(Stream.runDrain(stream)))
      yield* tick
      through.destroy()
      assert.instanceOf(yield* Fiber.join(fiber), Error)
    })
  )

  it.live("notices an end, an error and a close that came before it", () =>
    Effect.gen(function* () {
      const ended = new PassThrough()
      ended.end()
      ended.resume()
      yield* tick
      yield* tick
      assert.isTrue(ended.readableEnded)
      assert.deepStrictEqual(yield* Stream.runCollect(yield* fromReadable(ended, asIs)), [])

      const boom = new Error("boom")
      const broken = new PassThrough()
      broken.on("error", () => {})
      broken.destroy(boom)
      yield* tick
      assert.strictEqual(yield* Effect.flip(Stream.runDrain(yield* fromReadable(broken, asIs))), boom)

      const closed = new PassThrough()
      closed.destroy()
      yield* tick
      assert.instanceOf(yield* Effect.flip(Stream.runDrain(yield* fromReadable(closed, asIs))), Error)
    })
  )

  it.live("reads ahead no more than the readable's own buffer", () =>
    Effect.gen(function* () {
      let produced = 0
      const endless = new Readable({
        highWaterMark: 1024,
        read() {
          produced += 256
          this.push(Buffer.alloc(256))
        }
      })
      const stream = yield* fromReadable(endless, asIs)
      for (let i = 0; i < 20; i++) yield* tick
      assert.isAtMost(produced, 1024 + 256)
      const pulled = yield* stream.pipe(
        Stream.take(3),
        Stream.runFold(
          () => 0,
          (size, chunk) => size + chunk.length
        )
      )
      for (let i = 0; i < 20; i++) yield* tick
      assert.isAtMost(produced, pulled + 1024 + 256)
      assert.isFalse(endless.destroyed)
    })
  )

  it.live("does not miss bytes between a read and the wait for more", () =>
    Effect.gen(function* () {
      const scripted = new Readable({ read() {} })
      const stream = yield* fromReadable(scripted, asIs)
      const script = [null, Buffer.from("late"), null]
      scripted.read = () => {
        const chunk = script.shift() ?? null
        // The test emits the end once the reader waits.
        if (chunk === null) scripted.emit(script.length === 0 ? "end" : "readable")
        return chunk
      }
      assert.strictEqual(Buffer.concat(yield* Stream.runCollect(stream)).toString(), "late")
    })
  )

  it.live("destroys the readable with the scope, and handles later errors", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const through = new PassThrough()
      const stream = yield* fromReadable(through, asIs).pipe(Scope.provide(scope))
      const fiber = yield* Effect.forkChild(Stream.runDrain(stream))
      yield* tick
      yield* Fiber.interrupt(fiber)
      assert.isFalse(through.destroyed)
      yield* Scope.close(scope, Exit.void)
      assert.isTrue(through.destroyed)
      through.emit("error", new Error("late"))
    })
  )

  it.live("can be read after an interrupted reader", () =>
    Effect.gen(function* () {
      const through = new PassThrough()
      const stream = yield* fromReadable(through, asIs)
      const fiber = yield* Effect.forkChild(Stream.runDrain(stream))
      yield* tick
      yield* Fiber.interrupt(fiber)
      through.end("all of it")
      assert.strictEqual(Buffer.concat(yield* Stream.runCollect(stream)).toString(), "all of it")
    })
  )
})
