import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import { DockerEngine } from "../../../src/engine/DockerEngine.ts"
import type { ExecConnection } from "../../../src/engine/ExecRequests.ts"
import { awaitStart } from "../../../src/executor/internal/Starting.ts"

/** An engine that starts a command after the given milliseconds, and the times at which it was asked. */
const startingAfter = Effect.fnUntraced(function* (millis: number) {
  const asked: Array<number> = []
  const arrived = yield* Deferred.make<void>()
  const inspectExec = () =>
    Effect.map(Clock.currentTimeMillis, (now) => {
      asked.push(now)
      const isStarted = now >= millis
      return { ID: "exec", ContainerID: "container", Running: isStarted, ExitCode: null, Pid: isStarted ? 42 : 0 }
    })
  const engine = yield* Effect.provide(DockerEngine, Layer.mock(DockerEngine)({ host: "memory", inspectExec }))
  const connection: ExecConnection = {
    framing: "multiplexed",
    output: Stream.never,
    arrival: Deferred.await(arrived),
    write: () => Effect.void,
    endInput: Effect.void
  }
  const waiting = yield* Effect.forkChild(
    Effect.andThen(awaitStart(engine, "exec", connection), Clock.currentTimeMillis)
  )
  return { asked, waiting, arrive: Deferred.succeed(arrived, undefined) }
})

describe("a starting command", () => {
  it.effect.each([30, 100, 300, 1000, 5000])(
    "is inspected a few times in %d ms, and noticed soon after them",
    (millis) =>
      Effect.gen(function* () {
        const { asked, waiting } = yield* startingAfter(millis)
        yield* TestClock.adjust("10 seconds")
        const seen = yield* Fiber.join(waiting)
        assert.isAtMost(seen - millis, Math.min(250, 15 + millis / 8))
        assert.isAtMost(asked.length, 20 + millis / 250)
      })
  )

  it.effect("is inspected at once when output arrives", () =>
    Effect.gen(function* () {
      const { arrive, asked, waiting } = yield* startingAfter(5000)
      yield* TestClock.adjust("5 seconds")
      const before = asked.length
      yield* arrive
      yield* TestClock.adjust("5 millis")
      assert.strictEqual(yield* Fiber.join(waiting), 5000)
      assert.strictEqual(asked.length, before + 1)
    })
  )
})
