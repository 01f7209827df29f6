import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import { agentsDown } from "../../../src/agent/AgentService.ts"
import { DockerEngine } from "../../../src/engine/DockerEngine.ts"
import type { ContainerSummary } from "../../../src/engine/EngineSchemas.ts"
import { Swarm } from "../../../src/engine/Swarm.ts"
import type { Network } from "../../../src/engine/SwarmSchemas.ts"

const network: Network = {
  Id: "n",
  Name: "task-exec-agent-1",
  Created: "",
  Scope: "swarm",
  Driver: "overlay",
  Attachable: false,
  Internal: true,
  Ingress: false,
  IPAM: { Config: [] },
  Labels: {}
}

const agent: ContainerSummary = {
  Id: "c",
  Names: ["/task-exec-agent.1"],
  Image: "",
  ImageID: "",
  Created: 0,
  Labels: {},
  State: "running",
  Status: ""
}

/**
 * Removes agents whose network the engine lists for `listedFor` milliseconds after its removal. `agents`: the containers of agents that
 * still run on the engine. Returns the result and its duration.
 */
const downWith = Effect.fnUntraced(function* (listedFor: number, agents: ReadonlyArray<ContainerSummary> = []) {
  let removed = Number.POSITIVE_INFINITY
  const layer = Layer.mock(Swarm)({
    host: "h",
    listTasks: () => Effect.succeed([]),
    listConfigs: () => Effect.succeed([]),
    listSecrets: () => Effect.succeed([]),
    removeService: () => Effect.void,
    removeNetwork: () =>
      Effect.map(Clock.currentTimeMillis, (now) => {
        removed = now
      }),
    engine: Effect.provide(
      DockerEngine,
      Layer.mock(DockerEngine)({ host: "h", listContainers: () => Effect.succeed(agents) })
    ),
    listNetworks: () => Effect.map(Clock.currentTimeMillis, (now) => (now - removed < listedFor ? [network] : []))
  })
  const fiber = yield* Effect.timed(Effect.result(agentsDown())).pipe(Effect.provide(layer), Effect.forkChild)
  yield* TestClock.adjust("1 minute")
  const [took, result] = yield* Fiber.join(fiber)
  return { took: Duration.toMillis(took), result }
})

describe("AgentService", () => {
  it.effect.prop(
    "agentsDown returns when the engine no longer lists their network",
    { listedFor: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 14_000 })) },
    ({ listedFor }) =>
      Effect.gen(function* () {
        const { result, took } = yield* downWith(listedFor)
        assert.strictEqual(result._tag, "Success")
        assert.isAtLeast(took, listedFor)
        assert.isAtMost(took, listedFor + 50)
      })
  )

  it.effect("agentsDown fails if an agent on the engine still uses the network after 15 seconds", () =>
    Effect.gen(function* () {
      const { result, took } = yield* downWith(Number.POSITIVE_INFINITY, [agent])
      assert.strictEqual(result._tag === "Failure" ? result.failure._tag : "none", "AgentsBusy")
      assert.isAtLeast(took, 14_900)
    })
  )

  it.effect("agentsDown leaves a network that the engine keeps listing without agents after 15 seconds", () =>
    Effect.gen(function* () {
      const { result, took } = yield* downWith(Number.POSITIVE_INFINITY)
      assert.strictEqual(result._tag, "Success")
      assert.isAtLeast(took, 14_900)
      assert.isAtMost(took, 15_100)
    })
  )
})
