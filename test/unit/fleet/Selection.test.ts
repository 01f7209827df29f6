import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Swarm } from "../../../src/engine/Swarm.ts"
import { type Selection, selectTasks } from "../../../src/fleet/Selection.ts"
import type { TaskFilter } from "../../../src/fleet/TaskFilter.ts"
import { testSwarm } from "../../../src/testing/TestSwarm.ts"

/** Three nodes, of which the last two have the same host name. */
const twins = Layer.effect(
  Swarm,
  Effect.map(Swarm, (engine) =>
    Swarm.of({
      ...engine,
      listNodes: () =>
        Effect.map(engine.listNodes(), (nodes) =>
          nodes.map((node) =>
            node.Description.Hostname === "node-1"
              ? node
              : { ...node, Description: { ...node.Description, Hostname: "twin" } }
          )
        )
    })
  )
).pipe(Layer.provide(testSwarm(["web.1", { name: "web.2", node: "node-2" }, { name: "web.3", node: "node-3" }])))

const names = (selection: Selection) =>
  Effect.map(selectTasks(selection), (tasks) => tasks.map(({ name }) => name)).pipe(Effect.provide(twins))

const onNode = (node: string): TaskFilter => ({ _tag: "Node", node })

describe("a node in a selection", () => {
  it.effect("is rejected by --node and --filter node= with one text, if two nodes have this host name", () =>
    Effect.gen(function* () {
      const byFlag = yield* Effect.flip(names({ services: ["web"], node: "twin" }))
      const byFilter = yield* Effect.flip(names({ services: ["web"], filters: [onNode("twin")] }))
      assert.match(byFlag.message, /2 nodes match twin; use the node ID/)
      assert.strictEqual(byFilter.message, byFlag.message)
    })
  )

  it.effect("may be an ID or a unique prefix, and is reported if it is unknown", () =>
    Effect.gen(function* () {
      const { nodes } = yield* Effect.map(
        Swarm.use(({ listNodes }) => listNodes()),
        (all) => ({ nodes: all })
      ).pipe(Effect.provide(twins))
      const id = nodes.find(({ Description }) => Description.Hostname === "twin")?.ID ?? ""
      for (const [word, expected] of [
        [id, ["web.2"]],
        ["node-1", ["web.1"]]
      ] as const) {
        assert.deepStrictEqual(yield* names({ services: ["web"], node: word }), [...expected])
        assert.deepStrictEqual(yield* names({ services: ["web"], filters: [onNode(word)] }), [...expected])
      }
      const byFlag = yield* Effect.flip(names({ services: ["web"], node: "nowhere" }))
      const byFilter = yield* Effect.flip(names({ services: ["web"], filters: [onNode("nowhere")] }))
      assert.match(byFlag.message, /node nowhere does not exist/)
      assert.strictEqual(byFilter.message, byFlag.message)
    })
  )
})
