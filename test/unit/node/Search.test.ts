import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { connectAgent } from "../../../src/agent/AgentConnection.ts"
import { Swarm } from "../../../src/engine/Swarm.ts"
import { RouteUnavailable } from "../../../src/helper/ConnectionErrors.ts"
import { HelperImage, openTaskFiles } from "../../../src/index.ts"
import type { Connect } from "../../../src/node/Connect.ts"
import type { Via } from "../../../src/request/Via.ts"
import { makeTaskExec, TaskExec } from "../../../src/TaskExec.ts"
import { testSwarm } from "../../../src/testing/TestSwarm.ts"

const isOfAgents = ({ service }: { readonly service?: ReadonlyArray<string> }) => service?.[0] === "task-exec-agent"

/** The ways to do something in a task. */
const runs = {
  run: (target: string, via: Via) => TaskExec.run({ target, via, command: ["true"] }),
  "run with wait": (target: string, via: Via) => TaskExec.run({ target, via, command: ["true"], wait: "1 minute" }),
  runAll: (target: string, via: Via) =>
    Stream.runDrain(TaskExec.runAll({ selection: { targets: [target] }, via, command: ["true"] })),
  logs: (target: string, via: Via) => Stream.runDrain(TaskExec.logs({ target, via })),
  files: (target: string, via: Via) => openTaskFiles({ target, via })
}

/** Uses the agents as the real function does, and then fails. */
const connect: Connect = Effect.fnUntraced(function* ({ agents, connectedNode, tasks: [task], via }) {
  yield* connectAgent(via, agents, connectedNode, task.node)
  return yield* new RouteUnavailable({ via, detail: "this test has no route" })
})

/**
 * Returns the order of a run's requests for its task's node (when it is sent, and when it is answered) and for the agents. The swarm has a task
 * on each of two nodes, and the run fails afterwards. `answer` delays the response about the node. It receives an effect that
 * completes when the agents are requested.
 */
const orderOf = (
  run: Effect.Effect<unknown, unknown, TaskExec | Swarm | HelperImage | Scope.Scope>,
  answer: (agents: Effect.Effect<void>) => Effect.Effect<void>
) =>
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
    const layer = Layer.effect(TaskExec, makeTaskExec(connect)).pipe(
      Layer.provideMerge(Layer.merge(Layer.succeed(Swarm, observed), HelperImage.layerOf("task-exec:test")))
    )
    yield* run.pipe(Effect.scoped, Effect.provide(layer), Effect.exit)
    return order
  }).pipe(Effect.provide(testSwarm([{ name: "web.1" }, { name: "web.2", node: "node-2" }])))

describe("the agents", () => {
  // The node is described when the agents were requested or, if the run waits for the description first, when nothing else happens.
  const afterAgents = (agents: Effect.Effect<void>) =>
    Effect.raceFirst(agents, Effect.repeat(Effect.yieldNow, { times: 1000 }))

  for (const [name, run] of Object.entries(runs)) {
    it.effect(`${name}: are requested once, while the managers describe the task's node`, () =>
      Effect.gen(function* () {
        for (const target of ["web.1", "web.2"]) {
          const order = yield* orderOf(run(target, "agent"), afterAgents)
          assert.deepStrictEqual([order.toSorted(), order.at(-1)], [["agents", "answer", "node"], "answer"], target)
        }
      })
    )
  }

  it.effect("are requested for a task on another node, without a route in the request", () =>
    Effect.gen(function* () {
      const order = yield* orderOf(runs.run("web.2", "auto"), afterAgents)
      assert.deepStrictEqual([order.toSorted(), order.at(-1)], [["agents", "answer", "node"], "answer"])
    })
  )

  it.effect("are not requested if none is needed", () =>
    Effect.gen(function* () {
      const atOnce = () => Effect.void
      for (const [via, target] of [
        ["auto", "web.1"],
        ["local", "web.2"],
        ["helper", "web.2"]
      ] as const) {
        assert.deepStrictEqual(yield* orderOf(runs.run(target, via), atOnce), ["node", "answer"], via)
      }
    })
  )
})
