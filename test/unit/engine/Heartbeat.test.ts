import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import { type EngineSilent, makeHeartbeat } from "../../../src/engine/internal/Heartbeat.ts"

/** An engine from which bytes arrive when the test says so. */
const setUp = Effect.gen(function* () {
  const engine = { received: 0, pings: 0, answers: false }
  const heartbeat = yield* makeHeartbeat({
    received: () => engine.received,
    ping: Effect.suspend(() => {
      engine.pings++
      if (!engine.answers) return Effect.never
      engine.received++
      return Effect.void
    })
  })
  const silences: Array<EngineSilent> = []
  const open = Effect.gen(function* () {
    const scope = yield* Scope.make()
    yield* Scope.provide(
      heartbeat.exchange((silence) => void silences.push(silence)),
      scope
    )
    return scope
  })
  return { engine, heartbeat, open, silences }
})

describe("Heartbeat", () => {
  it.effect("does not ping an engine that sends something", () =>
    Effect.gen(function* () {
      const { engine, open, silences } = yield* setUp
      yield* open
      for (let i = 0; i < 20; i++) {
        yield* TestClock.adjust("4 seconds")
        engine.received++
        yield* TestClock.adjust("1 second")
      }
      assert.deepStrictEqual([engine.pings, silences.length], [0, 0])
    })
  )

  it.effect("pings a quiet engine every 5 seconds, and its answer counts", () =>
    Effect.gen(function* () {
      const { engine, heartbeat, open, silences } = yield* setUp
      engine.answers = true
      yield* open
      yield* TestClock.adjust("60 seconds")
      assert.isAtLeast(engine.pings, 9)
      assert.isAtMost(engine.pings, 12)
      assert.strictEqual(silences.length, 0)
      yield* heartbeat.admit
    })
  )

  it.effect("does nothing without an exchange", () =>
    Effect.gen(function* () {
      const { engine, open } = yield* setUp
      const scope = yield* open
      yield* Scope.close(scope, Exit.void)
      yield* TestClock.adjust("10 minutes")
      assert.strictEqual(engine.pings, 0)
    })
  )

  it.effect("fails all exchanges once after two pings and 15 seconds of silence, and admits no later ones", () =>
    Effect.gen(function* () {
      const { engine, heartbeat, open, silences } = yield* setUp
      yield* open
      yield* open
      yield* TestClock.adjust("14 seconds")
      assert.deepStrictEqual([engine.pings, silences.length], [2, 0])
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(
        silences.map(({ code }) => code),
        ["ENGINE_SILENT", "ENGINE_SILENT"]
      )
      assert.strictEqual((yield* Effect.flip(heartbeat.admit)).code, "ENGINE_KNOWN_SILENT")
      assert.strictEqual(engine.pings, 2)
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(silences.length, 2)
    })
  )

  it.effect("pings a lost engine from time to time, once for all requests, until it returns", () =>
    Effect.gen(function* () {
      const { engine, heartbeat, open } = yield* setUp
      yield* open
      yield* TestClock.adjust("21 seconds")
      const waiting = yield* Effect.forEach([1, 2, 3], () => Effect.forkChild(Effect.exit(heartbeat.admit)))
      yield* TestClock.adjust("3 seconds")
      for (const fiber of waiting) assert.isTrue(Exit.isFailure(yield* Fiber.join(fiber)))
      assert.strictEqual(engine.pings, 3)
      engine.answers = true
      yield* TestClock.adjust("6 seconds")
      yield* heartbeat.admit
      yield* heartbeat.admit
      assert.strictEqual(engine.pings, 4)
    })
  )
})
