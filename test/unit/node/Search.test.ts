import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { Swarm } from "../../../src/engine/Swarm.ts"
import { openSearch } from "../../../src/node/Search.ts"
import type { Via } from "../../../src/request/Via.ts"
import { lookupTask } from "../../../src/target/Lookup.ts"
import { parseTarget } from "../../../src/target/Target.ts"
import { testSwarm } from "../../../src/testing/TestSwarm.ts"

const isOfAgents = ({ service }: { readonly service?: ReadonlyArray<string> }) => service?.[0] === "task-exec-agent"

/** Looks up a task. `order`: the requests for its node (when it is sent, and when it is answered) and for agents. */
const lookUp = (via: Via, task: string, answer: (agents: Effect.Effect<void>) => Effect.Effect<void>) =>
  Effect.gen(function* () {
    const swarm = yield* Swarm
    const order: Array<string> = []
    const requested = yield* Deferred.make<void>()
    const observed: Swarm["Service"] = {
      ...swarm,
      inspectNode: (id) =>
        Effect.sync(() => order.push("node")).pipe(
          Effect.andThen(answer(Deferred.await(requested))),
          Effect.andThen(swarm.inspectNode(id)),
          Effect.tap(() => Effect.sync(() => order.push("answer")))
        ),
      listTasks: (filters) =>
        isOfAgents(filters)
          ? Effect.sync(() => order.push("agents")).pipe(
              Effect.andThen(Deferred.succeed(requested, undefined)),
              Effect.as([])
            )
          : swarm.listTasks(filters)
    }
    yield* Effect.gen(function* () {
      const { agents, connectedNode, during } = yield* openSearch(via)
      const lookup = lookupTask(Result.getOrThrow(parseTarget(task)))
      yield* Effect.all([during(lookup), connectedNode], { concurrency: 2 })
      if (order.includes("agents")) yield* agents
    }).pipe(Effect.provideService(Swarm, observed))
    return order
  }).pipe(Effect.scoped, Effect.provide(testSwarm([{ name: "web.1" }, { name: "web.2", node: "node-2" }])))

describe("the agents", () => {
  it.effect("are requested once, while the managers describe the task's node", () =>
    Effect.gen(function* () {
      // The node is described only after the agents were requested.
      const afterAgents = (agents: Effect.Effect<void>) => agents
      for (const [via, task] of [
        ["auto", "web.2"],
        ["agent", "web.2"],
        ["agent", "web.1"]
      ] as const) {
        const order = yield* lookUp(via, task, afterAgents)
        assert.deepStrictEqual([order.toSorted(), order.at(-1)], [["agents", "answer", "node"], "answer"], via)
      }
    })
  )

  it.effect("are not requested if none is needed", () =>
    Effect.gen(function* () {
      const atOnce = () => Effect.void
      for (const [via, task] of [
        ["auto", "web.1"],
        ["local", "web.2"],
        ["helper", "web.2"]
      ] as const) {
        assert.deepStrictEqual(yield* lookUp(via, task, atOnce), ["node", "answer"], via)
      }
    })
  )
})
