import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/testing/TestClock"
import { connectAgent, wantsAgent } from "../../../src/agent/AgentConnection.ts"
import { requestChannel } from "../../../src/agent/AgentProtocol.ts"
import { type Agent, agentPair } from "../../../src/agent/Agents.ts"
import { protocolVersion } from "../../../src/carrier/Frame.ts"
import { maxChannel } from "../../../src/carrier/TunnelFrame.ts"
import { Swarm } from "../../../src/engine/Swarm.ts"

const agent = (node: string, protocol: number = protocolVersion): Agent => ({
  node,
  task: `task-${node}`,
  container: `container-${node}`,
  address: "10.0.9.2",
  version: "1.2.3",
  protocol,
  deployment: "task-exec-agent-1",
  callersKey: ""
})
const agents = (...all: ReadonlyArray<Agent>) => new Map(all.map((one) => [one.node, one]))
const there = { id: "b", hostname: "node-b" }

describe("agents", () => {
  it("receive requests over the last channel", () => {
    assert.strictEqual(requestChannel, maxChannel)
  })

  it("are used for other nodes, or on request", () => {
    assert.deepStrictEqual(
      (["auto", "agent", "local", "helper"] as const).map((via) => [
        wantsAgent(via, "a", "b"),
        wantsAgent(via, "a", "a")
      ]),
      [[true, false], [true, true], ...Array.from({ length: 2 }, () => [false, false])]
    )
  })

  it.effect("are used if the connected engine and the task's node have agents of this protocol", () =>
    Effect.gen(function* () {
      const [a, b] = [agent("a"), agent("b")]
      assert.deepStrictEqual(yield* agentPair(agents(a, b), "a", there), { entry: a, target: b })
      const reasons = [
        [
          agents(),
          /^cannot reach node node-b through an agent: no agents are deployed \("task-exec agent up" deploys them\)\. Run/
        ],
        [agents(b), /: the connected engine's node has no running agent\. Run/],
        [agents(a), /: the node has no running agent\. Run/],
        [
          agents(a, agent("b", 0)),
          /: the agents have version 1\.2\.3 with protocol 0, and this task-exec uses protocol \d+ \(/
        ],
        [agents(agent("a", Number.NaN), b), /: the agents have version 1\.2\.3 with protocol NaN,/]
      ] as const
      for (const [known, reason] of reasons) {
        const error = yield* Effect.flip(agentPair(known, "a", there))
        assert.match(error.message, reason)
      }
    })
  )

  it.effect("that do not respond are replaced by a helper after 3 s, or with --via agent fail after 30 s", () =>
    Effect.gen(function* () {
      const found = Effect.succeed({ byNode: agents(agent("a"), agent("b")), keyPair: () => Effect.never })
      const engine = Layer.mock(Swarm)({ host: "h", engine: Effect.never, taskLogs: () => Effect.never })
      /** Connects with this route. Returns the seconds that it takes, and the result. */
      const linked = Effect.fnUntraced(function* (via: "auto" | "agent") {
        const link = Effect.result(connectAgent(via, found, "a", there)).pipe(Effect.scoped, Effect.provide(engine))
        const fiber = yield* Effect.forkChild(link)
        let seconds = 0
        while (fiber.pollUnsafe() === undefined && seconds < 60) {
          yield* TestClock.adjust("1 second")
          seconds++
        }
        return { seconds, result: yield* Fiber.join(fiber) }
      })
      const auto = yield* linked("auto")
      assert.deepStrictEqual([auto.seconds, auto.result._tag === "Success" && auto.result.success], [3, "auto"])
      const asked = yield* linked("agent")
      assert.strictEqual(asked.seconds, 30)
      assert(asked.result._tag === "Failure")
      assert.strictEqual(
        asked.result.failure.message,
        'cannot reach node node-b through an agent: no response within 30 seconds. Run "task-exec agent status", or use --via helper.'
      )
    })
  )
})
