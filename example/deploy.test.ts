/** Tests of `deploy.ts` without a swarm: `layerTest` has tasks and a script that says what their commands do. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import { TaskNotFound } from "task-exec"
import { Calls, layerTest } from "task-exec/testing"
import { migrate } from "./deploy.ts"

const swarm = (script: Parameters<typeof layerTest>[0]["script"]) => layerTest({ tasks: ["shop_web.1"], script })

describe("a migration", () => {
  it.effect("that succeeds keeps the new version", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* migrate("shop_web.1"), "keep")
      const calls = yield* Calls.all
      assert.deepStrictEqual(
        calls.map(({ request, task }) => [task.name, request.command]),
        [["shop_web.1", ["./migrate"]]]
      )
    }).pipe(Effect.provide(swarm({ "./migrate": { stdout: "3 tables changed\n" } })))
  )

  it.effect("that fails rolls it back", () =>
    Effect.map(migrate("shop_web.1"), (step) => assert.strictEqual(step, "roll back")).pipe(
      Effect.provide(swarm({ "./migrate": { stderr: "no such table\n", exitCode: 1 } }))
    )
  )

  it.effect("that takes too long rolls it back, because the command was killed", () =>
    Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(migrate("shop_web.1"))
      // The clock is that of the test: five minutes take no time. The command must have started before.
      while ((yield* Calls.all).length === 0) yield* Effect.yieldNow
      yield* TestClock.adjust("5 minutes")
      assert.strictEqual(yield* Fiber.join(fiber), "roll back")
    }).pipe(Effect.provide(swarm(() => Stream.never)))
  )

  it.effect("in a service that does not exist is an error", () =>
    Effect.map(Effect.flip(migrate("shop_wbe.1")), (error) => assert.instanceOf(error, TaskNotFound)).pipe(
      Effect.provide(swarm({}))
    )
  )
})
