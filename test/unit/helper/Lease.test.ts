import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/testing/TestClock"
import { EngineError } from "../../../src/engine/EngineErrors.ts"
import type { ServiceSpec } from "../../../src/engine/RequestBodies.ts"
import { Swarm } from "../../../src/engine/Swarm.ts"
import { keepLease } from "../../../src/helper/Lease.ts"
import { labelKeys } from "../../../src/Labels.ts"

const minute = 60_000
const spec: ServiceSpec = { Name: "task-exec-x", TaskTemplate: { ContainerSpec: { Image: "i" } } }
const object = { ID: "id", Version: { Index: 7 }, CreatedAt: "", UpdatedAt: "" }
const deadlineOf = (labels: Readonly<Record<string, string>> = {}) => Number(labels[labelKeys.deadline]) * 1000

/** An engine that records the new deadlines of service and secret. It refuses the first `failures` requests. */
const engine = (moved: Array<readonly [string, number]>, failures = 0) => {
  let left = failures
  return Layer.mock(Swarm)({
    host: "h",
    inspectSecret: () => Effect.succeed({ ...object, Spec: { Name: spec.Name, Labels: {} } }),
    updateSecret: (_id, version, { labels }) =>
      Effect.suspend(() => {
        assert.strictEqual(version, 7)
        if (left-- > 0) return new EngineError({ host: "h", operation: "update", status: 500, text: "no" })
        moved.push(["secret", deadlineOf(labels)])
        return Effect.void
      }),
    inspectService: () =>
      Effect.succeed({ ...object, Spec: { Name: spec.Name, Labels: {}, Mode: {}, TaskTemplate: { Networks: [] } } }),
    updateService: (_id, _version, { Labels, TaskTemplate }) =>
      Effect.sync(() => {
        assert.deepStrictEqual(TaskTemplate, spec.TaskTemplate)
        moved.push(["service", deadlineOf(Labels)])
      })
  })
}

const running = (deadline: number, time: number, layer: Layer.Layer<Swarm>) =>
  Effect.gen(function* () {
    const fiber = yield* keepLease(spec, { runId: "x", deadline, creator: "h:1" }).pipe(
      Effect.provide(layer),
      Effect.forkChild
    )
    yield* TestClock.adjust(time)
    yield* Fiber.interrupt(fiber)
  })

describe("Lease", () => {
  it.effect("keeps a distant deadline", () =>
    Effect.gen(function* () {
      const moved: Array<readonly [string, number]> = []
      yield* running(10 * minute, 8 * minute, engine(moved))
      assert.deepStrictEqual(moved, [])
    })
  )

  it.effect("extends the deadline of secret and service by ten minutes, a minute before it, repeatedly", () =>
    Effect.gen(function* () {
      const moved: Array<readonly [string, number]> = []
      yield* running(10 * minute, 19 * minute, engine(moved))
      const first = 19 * minute
      const second = 18 * minute + 10 * minute
      assert.deepStrictEqual(moved, [
        ["secret", first],
        ["service", first],
        ["secret", second],
        ["service", second]
      ])
    })
  )

  it.effect("tries again before the deadline if the engine refuses", () =>
    Effect.gen(function* () {
      const moved: Array<readonly [string, number]> = []
      yield* running(10 * minute, 9 * minute + 5000, engine(moved, 3))
      assert.strictEqual(moved.length, 2)
    })
  )
})
