import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import { DockerEngine, type DockerEngineShape } from "../../../src/engine/DockerEngine.ts"
import type { NetworkCreate, Task } from "../../../src/engine/EngineSchemas.ts"
import { makeOwnership } from "../../../src/Labels.ts"
import { openHelperTunnel } from "../../../src/route/HelperTunnel.ts"
import { openTunnelNetwork } from "../../../src/route/TunnelNetwork.ts"

const node = { id: "n", hostname: "host", state: "ready", availability: "active" }

const connection = { output: Stream.never, arrival: Effect.never, write: () => Effect.void, endInput: Effect.void }
const image = {
  Id: "image",
  RepoTags: [],
  RepoDigests: [],
  Os: "linux",
  Architecture: "amd64",
  Config: { Env: [], Labels: {}, User: "" }
}

/** A swarm with two managers, of which the one that answered last does what only one engine can do; notes who is asked for what. */
const managers = (more: Partial<DockerEngineShape> = {}) => {
  const calls: Array<string> = []
  const networks: Array<NetworkCreate> = []
  const call = (what: string) => Effect.sync(() => void calls.push(what))
  const alone = Layer.mock(DockerEngine)({
    host: "b",
    inspectImage: () => Effect.succeed(image),
    createContainer: () => Effect.as(call("b: create container"), { id: "c", warnings: [] }),
    attachContainer: () => Effect.as(call("b: attach"), connection),
    startContainer: () => call("b: start"),
    createExec: () => Effect.as(call("b: create exec"), "e"),
    startExec: () => Effect.as(call("b: start exec"), { ...connection, framing: "multiplexed" as const }),
    removeContainer: () => call("b: remove container")
  })
  const layer = Layer.effect(
    DockerEngine,
    Effect.gen(function* () {
      const engine = yield* DockerEngine
      const swarm = yield* Effect.provide(
        DockerEngine,
        Layer.mock(DockerEngine)({
          host: "a,b",
          alone: Effect.succeed(engine),
          listNetworks: () => Effect.succeed([]),
          createNetwork: (network) =>
            Effect.sync(() => {
              calls.push("create network")
              return `network ${networks.push(network)}`
            }),
          removeNetwork: () => call("remove network"),
          createSecret: () => Effect.as(call("create secret"), "secret"),
          removeSecret: () => call("remove secret"),
          createService: () => Effect.as(call("create service"), { id: "s", warnings: [] }),
          removeService: () => call("remove service"),
          ...more
        })
      )
      return swarm
    })
  ).pipe(Layer.provide(alone))
  return { layer, calls, networks }
}

describe("TunnelNetwork", () => {
  it.effect("the relay of a single tunnel is one engine's, whichever the network was made by", () =>
    Effect.gen(function* () {
      const { calls, layer } = managers()
      const owner = yield* makeOwnership(undefined)
      yield* Effect.gen(function* () {
        const { openRelay } = yield* openTunnelNetwork(owner, "image")
        yield* openRelay
      }).pipe(Effect.scoped, Effect.provide(layer))
      assert.deepStrictEqual(calls, [
        "create network",
        "b: create container",
        "b: attach",
        "b: start",
        "b: remove container",
        "remove network"
      ])
    })
  )

  it.effect("several tunnels have one relay, with a process for each", () =>
    Effect.gen(function* () {
      const { calls, layer } = managers()
      const owner = yield* makeOwnership(undefined)
      yield* Effect.gen(function* () {
        const { openRelay } = yield* openTunnelNetwork(owner, "image", 2)
        yield* Effect.all([openRelay, openRelay])
      }).pipe(Effect.scoped, Effect.provide(layer))
      assert.deepStrictEqual(
        calls.filter((call) => call.startsWith("b: ")),
        [
          "b: create container",
          "b: attach",
          "b: start",
          "b: create exec",
          "b: start exec",
          "b: create exec",
          "b: start exec",
          "b: remove container"
        ]
      )
    })
  )

  it.effect(
    "a node that has the addresses of a network gets another network, and all of the first is gone by then",
    () =>
      Effect.gen(function* () {
        const rejected: Task = {
          ID: "t",
          Version: { Index: 1 },
          CreatedAt: "",
          UpdatedAt: "",
          Labels: {},
          Spec: {},
          ServiceID: "s",
          NodeID: node.id,
          Slot: 1,
          Status: {
            Timestamp: "",
            State: "rejected",
            Message: "preparing",
            Err: "invalid pool request: Pool overlaps with other one on this address space"
          },
          DesiredState: "",
          NetworksAttachments: []
        }
        const { calls, layer, networks } = managers({ listTasks: () => Effect.succeed([rejected]) })
        const owner = yield* makeOwnership(undefined)
        const place = { image: "image", node, task: "web.1", placementTimeout: 1000 }
        const fiber = yield* openHelperTunnel(place, owner, { _tag: "Copy", container: "c", policy: {} }).pipe(
          Effect.scoped,
          Effect.flip,
          Effect.provide(layer),
          Effect.forkChild
        )
        yield* TestClock.adjust("1 minute")
        const error = yield* Fiber.join(fiber)
        assert.strictEqual(error._tag, "HelperRejected")
        assert.strictEqual(new Set(networks.map(({ IPAM }) => IPAM?.Config[0]?.Subnet)).size, 3)
        const made = calls.filter((call) => call.endsWith(" network") || call.endsWith(" service"))
        const once = ["create network", "create service", "remove service", "remove network"]
        assert.deepStrictEqual(made, [...once, ...once, ...once])
      })
  )
})
