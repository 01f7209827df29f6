import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import { agentsDown } from "../../../src/agent/AgentService.ts"
import type { Network } from "../../../src/engine/EngineSchemas.ts"
import { Swarm } from "../../../src/engine/Swarm.ts"

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

/** Removes agents whose network the engine lists for `listedFor` milliseconds after its removal. Returns how long that took. */
const downWith = Effect.fnUntraced(function* (listedFor: number) {
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
    listNetworks: () => Effect.map(Clock.currentTimeMillis, (now) => (now - removed < listedFor ? [network] : []))
  })
  const fiber = yield* Effect.timed(agentsDown()).pipe(Effect.provide(layer), Effect.forkChild)
  yield* TestClock.adjust("1 minute")
  const [took] = yield* Fiber.join(fiber)
  return Duration.toMillis(took)
})

describe("AgentService", () => {
  it.effect.prop(
    "the agents are down when the engine no longer lists their network",
    { listedFor: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 14_000 })) },
    ({ listedFor }) =>
      Effect.gen(function* () {
        const took = yield* downWith(listedFor)
        assert.isAtLeast(took, listedFor)
        assert.isAtMost(took, listedFor + 50)
      })
  )

  it.effect("a network that the engine lists on and on is left to it after 15 seconds", () =>
    Effect.gen(function* () {
      const took = yield* downWith(Number.POSITIVE_INFINITY)
      assert.isAtLeast(took, 14_900)
      assert.isAtMost(took, 15_100)
    })
  )
})
