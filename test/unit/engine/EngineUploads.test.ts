import * as Http from "node:http"
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import { UnexpectedReply } from "../../../src/engine/EngineErrors.ts"
import { engineOf } from "./Servers.ts"

describe("uploads", () => {
  /** Responds to the first bytes of a body, as an engine does at the end of an archive, and reads no more of it. */
  const hasty = () =>
    Http.createServer((request, response) => {
      request.once("data", () => {
        request.pause()
        response.end()
      })
    })

  /** Uploads a body from a queue, after its first bytes. Completes when the response has arrived and the connection is closed. */
  const putting = Effect.gen(function* () {
    const answered = yield* Deferred.make<void>()
    const server = hasty()
    server.on("connection", (socket) => socket.on("close", () => Deferred.doneUnsafe(answered, Exit.void)))
    const engine = yield* engineOf(server)
    const rest = yield* Queue.make<Uint8Array, Cause.Done>()
    const body = Stream.concat(Stream.make(Buffer.alloc(1024)), Stream.fromQueue(rest))
    const fiber = yield* Effect.forkChild(engine.putArchive("c", "/tmp", body, { copyUIDGID: false }))
    yield* Deferred.await(answered)
    return { fiber, rest }
  })

  it.effect("reads a response to its end after the body has ended", () =>
    Effect.gen(function* () {
      const { fiber, rest } = yield* putting
      yield* TestClock.adjust("10 seconds")
      for (let at = 0; at < 64; at++) yield* Queue.offer(rest, Buffer.alloc(65_536))
      assert.isUndefined(fiber.pollUnsafe())
      yield* Queue.end(rest)
      yield* Fiber.join(fiber)
      assert.strictEqual(yield* Queue.size(rest), 0)
    })
  )

  it.effect("fails if the body does not end within 30 seconds after the response", () =>
    Effect.gen(function* () {
      const { fiber } = yield* putting
      yield* TestClock.adjust("29 seconds")
      assert.isUndefined(fiber.pollUnsafe())
      yield* TestClock.adjust("1 second")
      const error = yield* Effect.flip(Fiber.join(fiber))
      assert.instanceOf(error, UnexpectedReply)
      assert.include(error.message, "it responded before it had received all data")
    })
  )

  it.effect("fails if the body continues for 30 seconds after the response", () =>
    Effect.gen(function* () {
      const { fiber, rest } = yield* putting
      for (let second = 0; second < 30; second++) {
        yield* Queue.offer(rest, Buffer.alloc(65_536))
        yield* TestClock.adjust("1 second")
      }
      assert.strictEqual((yield* Effect.flip(Fiber.join(fiber)))._tag, "UnexpectedReply")
    })
  )

  it.live("fails if the body fails after the response", () =>
    Effect.gen(function* () {
      const { fiber, rest } = yield* putting
      yield* Queue.failCause(rest, Cause.die("gone"))
      assert.isTrue(Exit.isFailure(yield* Fiber.await(fiber)))
    })
  )
})
