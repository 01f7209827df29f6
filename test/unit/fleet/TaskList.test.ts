import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { age, table } from "../../../adapters/ls/LsCommand.ts"
import { Swarm } from "../../../src/engine/Swarm.ts"
import type { Task } from "../../../src/engine/SwarmSchemas.ts"
import { type ListedTasks, listTasks } from "../../../src/fleet/TaskList.ts"
import { testSwarm } from "../../../src/testing/TestSwarm.ts"

const created = "2026-01-01T00:00:00Z"
const digest = `@sha256:${"0".repeat(64)}`

/** The properties of each task in the swarm. */
const details: Readonly<Record<string, (task: Task) => Task>> = {
  web: (task) => ({
    ...task,
    Spec: {
      ContainerSpec: {
        Image: `shop/web:7${digest}`,
        Labels: {},
        User: "",
        TTY: false,
        Healthcheck: { Test: ["CMD", "true"] }
      }
    }
  }),
  db: (task) => {
    const { NodeID: _, ...unplaced } = task
    return {
      ...unplaced,
      Spec: {
        ContainerSpec: { Image: "db:1", Labels: {}, User: "", TTY: false, Healthcheck: { Test: ["NONE"] } }
      },
      Status: { Timestamp: "", State: "pending", Message: "pending task scheduling", Err: "no suitable node" }
    }
  }
}

const swarm = Layer.effect(
  Swarm,
  Effect.map(Swarm, (engine) =>
    Swarm.of({
      ...engine,
      listTasks: (filters) =>
        Effect.gen(function* () {
          const services = new Map((yield* engine.listServices({})).map(({ ID, Spec }) => [ID, Spec.Name]))
          return (yield* engine.listTasks(filters)).map((task) => {
            const change = details[services.get(task.ServiceID) ?? ""]
            const timed = { ...task, CreatedAt: created }
            return change === undefined ? timed : change(timed)
          })
        })
    })
  )
).pipe(
  Layer.provide(
    testSwarm([
      { name: "web.10", node: "node-2" },
      { name: "web.2", node: "node-1", state: "starting" },
      "db.1",
      { name: "cache.1", node: "node-2" }
    ])
  )
)

const list = (which: ListedTasks) => Effect.provide(listTasks(which), swarm)
const names = (which: ListedTasks) => Effect.map(list(which), (tasks) => tasks.map(({ name }) => name))

describe("the list of tasks", () => {
  it.effect("includes tasks that do not run, ordered by name", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* names({}), ["cache.1", "db.1", "web.2", "web.10"])
      assert.deepStrictEqual(yield* names({ service: "web" }), ["web.2", "web.10"])
      assert.deepStrictEqual(yield* names({ node: "node-2" }), ["cache.1", "web.10"])
      assert.deepStrictEqual(yield* names({ service: "web", node: "node-1" }), ["web.2"])
    })
  )

  it.effect("fails for an unknown service, stack or node", () =>
    Effect.gen(function* () {
      for (const [which, reason] of [
        [{ service: "wed" }, /service wed does not exist \(services: cache, db, web\)/],
        [{ stack: "shop" }, /stack shop does not exist/],
        [{ node: "node-9" }, /node node-9 does not exist/]
      ] as const) {
        assert.match((yield* Effect.flip(list(which))).message, reason)
      }
    })
  )

  it.effect("as a table has health if a service has a check, no digests, and errors if there are any", () =>
    Effect.gen(function* () {
      const now = Date.parse(created) + 3 * 3600_000
      const shown = (lines: ReadonlyArray<string>) => lines.map((line) => line.replace(/ {2,}/g, "|"))
      const columns = "TASK|ID|NODE|STATE|HEALTH|AGE|IMAGE"
      const all = yield* list({})
      const id = (name: string) => all.find((task) => task.name === name)?.id.slice(0, 12)
      assert.deepStrictEqual(shown(table(yield* list({ service: "web" }), now)), [
        columns,
        `web.2|${id("web.2")}|node-1|starting|starting|3h|shop/web:7`,
        `web.10|${id("web.10")}|node-2|running|healthy|3h|shop/web:7`
      ])
      assert.deepStrictEqual(shown(table(yield* list({ service: "db" }), now)), [
        `${columns}|ERROR`,
        `db.1|${id("db.1")}|-|pending|-|3h|db:1|no suitable node`
      ])
      assert.deepStrictEqual(shown(table([], now)), [columns])
    })
  )

  it("shows ages in one unit", () => {
    const ages = { 0: "0s", 119: "119s", 120: "2m", 7199: "119m", 7200: "2h", 172799: "47h", 172800: "2d" }
    for (const [seconds, text] of Object.entries(ages)) assert.strictEqual(age(Number(seconds) * 1000), text)
    assert.strictEqual(age(-5000), "0s")
    assert.strictEqual(age(Number.NaN), "-")
  })
})
