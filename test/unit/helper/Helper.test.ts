import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/testing/TestClock"
import { EngineError } from "../../../src/engine/EngineErrors.ts"
import type { ServiceSpec } from "../../../src/engine/RequestBodies.ts"
import { Swarm } from "../../../src/engine/Swarm.ts"
import type { Task } from "../../../src/engine/SwarmSchemas.ts"
import { type HelperOptions, openHelper } from "../../../src/helper/Helper.ts"
import { hostNetwork } from "../../../src/helper/TemporaryService.ts"
import { makeOwnership } from "../../../src/Labels.ts"
import { taskOn } from "../engine/Tasks.ts"

const node = { id: "n", hostname: "host", state: "ready", availability: "active" }

const taskOf = (id: string, state: string): Task => taskOn(node.id, id, state)

/** A swarm that deletes the tasks of a removed service after some requests. Records the requests in order. */
const swarm = (tasks: ReadonlyArray<Task>, questions: number, list = Effect.succeed(tasks)) => {
  const calls: Array<string> = []
  const specs: Array<ServiceSpec> = []
  const ended: Array<string> = []
  let isThere = true
  const asked = new Map<string, number>()
  const call = (name: string) => Effect.sync(() => void calls.push(name))
  const notFound = new EngineError({ host: "h", operation: "ask", status: 404, text: "not found" })
  const layer = Layer.mock(Swarm)({
    host: "h",
    createSecret: () => Effect.as(call("create secret"), "secret"),
    removeSecret: () => call("remove secret"),
    createService: (spec) =>
      Effect.as(
        Effect.tap(call("create service"), () => Effect.sync(() => specs.push(spec))),
        { id: "s", warnings: [] }
      ),
    updateService: () => call("update service"),
    removeService: () =>
      Effect.suspend(() => {
        if (!isThere) return Effect.fail(notFound)
        isThere = false
        return call("remove service")
      }),
    listTasks: () => Effect.suspend(() => (isThere ? list : Effect.fail(notFound))),
    inspectTask: (id) =>
      Effect.suspend(() => {
        const times = (asked.get(id) ?? 0) + 1
        asked.set(id, times)
        if (times <= questions) return Effect.succeed({ ...taskOf(id, "running"), Spec: {} })
        ended.push(id)
        return Effect.fail(notFound)
      }),
    inspectNode: () =>
      Effect.succeed({
        ID: node.id,
        Version: { Index: 1 },
        CreatedAt: "",
        UpdatedAt: "",
        Spec: { Name: "", Labels: {}, Role: "worker", Availability: "active" },
        Description: {
          Hostname: node.hostname,
          Platform: { Architecture: "x86_64", OS: "linux" },
          Engine: { EngineVersion: "28", Labels: {} }
        },
        Status: { State: "ready", Message: "", Addr: "" }
      })
  })
  return { layer, calls, specs, ended }
}

/** The options of the helpers in these tests. */
const optionsOf = Effect.fnUntraced(function* () {
  const run = { runId: "run", container: "c", signal: "SIGTERM", grace: 1000 } as const
  const owner = yield* makeOwnership(undefined)
  return {
    image: "image",
    node,
    task: "web.1",
    placementTimeout: 60_000,
    network: hostNetwork,
    request: { protocol: 1, node: node.id, owner, work: { _tag: "End", runs: [run] } }
  } satisfies HelperOptions
})

const stopped = (tasks: ReadonlyArray<Task>, questions: number) =>
  Effect.gen(function* () {
    const { calls, ended, layer, specs } = swarm(tasks, questions)
    const fiber = yield* Effect.gen(function* () {
      const helper = yield* openHelper(yield* optionsOf())
      yield* helper.stop
      assert.deepStrictEqual(
        ended,
        tasks.filter(({ Status }) => Status.State === "running").map(({ ID }) => ID)
      )
    }).pipe(Effect.scoped, Effect.provide(layer), Effect.forkChild)
    yield* TestClock.adjust("1 minute")
    yield* Fiber.join(fiber)
    return { calls, specs }
  })

describe("Helper", () => {
  it.effect.each([200, 500, 2000, 10_000])(
    "a helper that takes %d ms to run is checked less and less often",
    (millis) =>
      Effect.gen(function* () {
        let looks = 0
        const list = Effect.map(Clock.currentTimeMillis, (now) => {
          looks++
          return [taskOf("t", now >= millis ? "running" : "preparing")]
        })
        const { layer } = swarm([], 0, list)
        const waiting = yield* Effect.gen(function* () {
          const { running } = yield* openHelper(yield* optionsOf())
          yield* running
          return yield* Clock.currentTimeMillis
        }).pipe(Effect.scoped, Effect.provide(layer), Effect.forkChild)
        yield* TestClock.adjust("1 minute")
        const seen = yield* Fiber.join(waiting)
        assert.isAtMost(seen - millis, Math.min(250, 50 + millis / 4))
        assert.isAtMost(looks, 8 + millis / 250)
      })
  )

  it.effect("a helper is stopped by removing its service, which is not scaled down first", () =>
    Effect.gen(function* () {
      const { calls } = yield* stopped([taskOf("t", "running")], 3)
      assert.deepStrictEqual(calls, ["create secret", "create service", "remove service", "remove secret"])
    })
  )

  it.effect("a stop waits for every task that has not ended", () =>
    Effect.gen(function* () {
      const { calls } = yield* stopped([taskOf("a", "failed"), taskOf("b", "running"), taskOf("c", "running")], 2)
      assert.include(calls, "remove service")
    })
  )

  it.effect("Swarm's task reaper keeps every task that a helper can have", () =>
    Effect.gen(function* () {
      const { specs } = yield* stopped([taskOf("t", "complete")], 0)
      // The reaper keeps MaxAttempts + 1 tasks, and Swarm creates no more than that.
      assert.isAbove(specs[0]?.TaskTemplate.RestartPolicy?.MaxAttempts ?? 0, 0)
      assert.deepStrictEqual(specs[0]?.Mode, { Replicated: { Replicas: 1 } })
    })
  )
})
