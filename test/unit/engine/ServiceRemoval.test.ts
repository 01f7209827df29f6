import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import { keptTasks, type Restarts, removeSettled, restartPolicy } from "../../../src/engine/ServiceRemoval.ts"
import { Swarm } from "../../../src/engine/Swarm.ts"
import type { Task } from "../../../src/engine/SwarmSchemas.ts"
import { taskOn } from "./Tasks.ts"

const tasks = (nodes: Readonly<Record<string, number>>): ReadonlyArray<Task> =>
  Object.entries(nodes).flatMap(([node, count]) =>
    Array.from({ length: count }, (_, at) => taskOn(node, `${node}-${at}`, "failed"))
  )

/** Removes a global service. Each check returns the next of these numbers of tasks on two nodes. Returns the requests. */
const removal = Effect.fnUntraced(function* (looks: ReadonlyArray<Readonly<Record<string, number>>>) {
  const calls: Array<string> = []
  const layer = Layer.mock(Swarm)({
    host: "h",
    listTasks: () =>
      Effect.sync(() => {
        const look = looks[Math.min(calls.length, looks.length - 1)] ?? {}
        calls.push("list")
        return tasks(look)
      }),
    removeService: () => Effect.sync(() => void calls.push("remove"))
  })
  const fiber = yield* Swarm.use((engine) => removeSettled(engine, "s")).pipe(Effect.provide(layer), Effect.forkChild)
  yield* TestClock.adjust("1 minute")
  yield* Fiber.join(fiber)
  return calls
})

describe("ServiceRemoval", () => {
  it.effect.prop(
    "a service is removed only when no node has more tasks than the reaper keeps",
    {
      looks: Schema.Array(Schema.Record(Schema.Literals(["a", "b"]), Schema.Literals([0, 1, 6, 7, 8]))).check(
        Schema.isMaxLength(20)
      )
    },
    ({ looks }) =>
      Effect.gen(function* () {
        const calls = yield* removal([...looks, { a: 1, b: keptTasks }])
        const settled = looks.findIndex((look) => Object.values(look).every((count) => count <= keptTasks))
        const expected = (settled < 0 ? looks.length : settled) + 1
        assert.deepStrictEqual(calls, [...Array.from({ length: expected }, () => "list"), "remove"])
      })
  )

  it.effect("a service whose tasks never settle is removed after a bounded time", () =>
    Effect.gen(function* () {
      const calls = yield* removal([{ a: keptTasks + 1 }])
      assert.strictEqual(calls.at(-1), "remove")
    })
  )

  it("every restart policy limits the number of kept tasks", () => {
    const all: ReadonlyArray<Restarts> = ["never", "on-failure", "always"]
    assert.deepStrictEqual(
      all.map((restarts) => restartPolicy(restarts).MaxAttempts),
      all.map(() => keptTasks - 1)
    )
  })
})
