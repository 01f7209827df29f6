/** Tests of the requests to an engine and its swarm, for every kind of connection. */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { DockerEngine } from "../../src/engine/DockerEngine.ts"
import { SwarmCluster } from "../cluster/SwarmCluster.ts"
import { engineContainerTests } from "./EngineContainerTests.ts"
import { engineExecTests } from "./EngineExecTests.ts"
import { engineFileTests } from "./EngineFileTests.ts"
import { type EngineMethods, Sleeper } from "./EngineFixtures.ts"
import { engineObjectTests } from "./EngineObjectTests.ts"

/** Registers the tests of an engine and its swarm, for any connection to them. */
export const engineSuite = (it: EngineMethods) => {
  engineFileTests(it)
  engineObjectTests(it)
  engineContainerTests(it)
  engineExecTests(it)

  it.effect("reports version and info", () =>
    Effect.gen(function* () {
      const engine = yield* DockerEngine
      const { manager } = yield* SwarmCluster
      const version = yield* engine.version
      assert.match(version.ApiVersion, /^1\.\d+$/)
      const info = yield* engine.info
      assert.strictEqual(info.Name, "node-1")
      assert.strictEqual(info.ServerVersion, version.Version)
      assert.strictEqual(info.Swarm.NodeID, manager.nodeId)
      assert.isTrue(info.Swarm.ControlAvailable)
      assert.strictEqual(info.Swarm.LocalNodeState, "active")
    })
  )

  it.effect("aborts an interrupted request", () =>
    Effect.gen(function* () {
      const engine = yield* DockerEngine
      const { id } = yield* Sleeper
      const fiber = yield* Effect.forkChild(engine.waitContainer(id))
      yield* Effect.sleep("100 millis")
      yield* Fiber.interrupt(fiber).pipe(Effect.timeout("30 seconds"))
      assert.isTrue((yield* engine.inspectContainer(id)).State.Running)
    })
  )

  it.effect("serves many requests at once", () =>
    Effect.gen(function* () {
      const engine = yield* DockerEngine
      const all = yield* Effect.all(
        Array.from({ length: 20 }, () => engine.version),
        { concurrency: "unbounded" }
      )
      assert.strictEqual(new Set(all.map((one) => one.Version)).size, 1)
    })
  )
}
