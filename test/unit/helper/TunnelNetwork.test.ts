import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { DockerEngine } from "../../../src/engine/DockerEngine.ts"
import type { NetworkCreate } from "../../../src/engine/RequestBodies.ts"
import { Swarm, type SwarmShape } from "../../../src/engine/Swarm.ts"
import { openTunnelNetwork } from "../../../src/helper/TunnelNetwork.ts"
import { makeOwnership } from "../../../src/Labels.ts"
import { prepareTunnel } from "../../../src/node/HelperTunnel.ts"

const node = { id: "n", hostname: "host", state: "ready", availability: "active" }

const connection = { output: Stream.never, arrival: Effect.never, write: () => Effect.void, endInput: Effect.void }
const image = {
  Id: "image",
  RepoTags: [],
  RepoDigests: [],
  Os: "linux",
  Architecture: "amd64",
  Config: { Env: [], Labels: {}, User: "", Entrypoint: [], Cmd: [] }
}

/** A swarm with two managers. Requests about one engine go to the manager that answered last. Records each request with its manager. */
const managers = (more: Partial<SwarmShape> = {}) => {
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
    Swarm,
    Effect.gen(function* () {
      const engine = yield* DockerEngine
      const swarm = yield* Effect.provide(
        Swarm,
        Layer.mock(Swarm)({
          host: "a,b",
          engine: Effect.succeed(engine),
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
  it.effect("a single tunnel has its relay on one engine, whichever manager created the network", () =>
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

  describe.each([
    ["has the addresses of", "invalid pool request: Pool overlaps with other one on this address space"],
    [
      "does not get an attachment to",
      "attaching to network failed, make sure your network options are correct and check manager logs: context deadline exceeded"
    ]
  ])("a node that %s a network", (_, reason) => {
    it.effect("gets another network after the relay of the first one is removed", () =>
      Effect.gen(function* () {
        const { calls, layer, networks } = managers()
        const owner = yield* makeOwnership(undefined)
        const placement = { image: "image", node, task: "web.1", placementTimeout: 1000 }
        const error = yield* Effect.gen(function* () {
          const { request, tunnel, unreachable } = yield* prepareTunnel({
            placement,
            owner,
            from: "start",
            commands: 1
          })
          const fiber = yield* Effect.forkScoped(tunnel)
          // As a helper reports it for one network after the other.
          for (const _ of request.networks) unreachable(reason)
          return yield* Effect.flip(Fiber.join(fiber))
        }).pipe(Effect.scoped, Effect.provide(layer))
        assert.strictEqual(error._tag, "HelperRejected")
        assert.strictEqual(new Set(networks.map(({ IPAM }) => IPAM?.Config[0]?.Subnet)).size, 3)
        const relays = calls.filter((call) => /create container|remove container/.test(call))
        const once = ["b: create container", "b: remove container"]
        assert.deepStrictEqual(relays, [...once, ...once, ...once])
        assert.lengthOf(
          calls.filter((call) => call === "remove network"),
          3
        )
      })
    )
  })
})
