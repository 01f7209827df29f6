/** Tests of the requests about containers and images. */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { DockerEngine } from "../../src/engine/DockerEngine.ts"
import { isConflict, isNotFound } from "../../src/engine/EngineErrors.ts"
import { SwarmCluster } from "../cluster/SwarmCluster.ts"
import { type EngineMethods, fresh, sleeper } from "./EngineFixtures.ts"

/** Registers the tests, for any connection to the engine. */
export const engineContainerTests = (it: EngineMethods) => {
  it.effect("creates, starts, waits for and removes a container", () =>
    Effect.gen(function* () {
      const engine = yield* DockerEngine
      const { image } = yield* SwarmCluster
      const name = fresh("box")
      const config = {
        Image: image,
        Cmd: ["sh", "-c", "printf 'out\\0'; printf err >&2; until [ -e /tmp/go ]; do sleep 0.05; done; exit 7"],
        Labels: { mine: name },
        HostConfig: { NetworkMode: "none" }
      }
      const { id } = yield* engine.createContainer({ name, config })
      assert.isTrue(isConflict(yield* Effect.flip(engine.createContainer({ name, config }))))
      assert.deepStrictEqual(yield* engine.listContainers({ label: [`mine=${name}`] }, { all: false }), [])
      yield* engine.startContainer(id)
      yield* engine.startContainer(id)
      const [seen] = yield* engine.listContainers({ label: [`mine=${name}`] }, { all: false })
      assert.deepStrictEqual([seen?.Id, seen?.State, seen?.Names], [id, "running", [`/${name}`]])
      yield* engine.startExecDetached(yield* engine.createExec(id, { Cmd: ["touch", "/tmp/go"] }), { tty: false })
      assert.strictEqual(yield* engine.waitContainer(name), 7)
      const logs = yield* engine.containerLogs(id)
      assert.deepStrictEqual(
        [Buffer.from(logs.stdout).toString(), Buffer.from(logs.stderr).toString(), logs.truncated],
        ["out\0", "err", false]
      )
      const some = yield* engine.containerLogs(id, { limit: 5 })
      assert.isTrue(some.truncated)
      assert.strictEqual(some.stdout.length + some.stderr.length, 5)
      const ended = yield* engine.inspectContainer(name)
      assert.deepStrictEqual([ended.State.Status, ended.State.ExitCode, ended.State.Pid], ["exited", 7, 0])
      assert.isTrue(isConflict(yield* Effect.flip(engine.killContainer(id, "KILL"))))
      yield* engine.removeContainer(id, { force: false })
      for (const request of [
        engine.inspectContainer(id),
        engine.startContainer(id),
        engine.waitContainer(id),
        engine.containerLogs(id),
        engine.removeContainer(id, { force: true }),
        engine.createExec(id, { Cmd: ["true"] })
      ])
        assert.isTrue(isNotFound(yield* Effect.flip(Effect.asVoid(request))))
    })
  )

  it.effect("kills a container", () =>
    Effect.gen(function* () {
      const engine = yield* DockerEngine
      const id = yield* sleeper
      assert.isTrue(isConflict(yield* Effect.flip(engine.removeContainer(id, { force: false }))))
      const waiting = yield* Effect.forkChild(engine.waitContainer(id))
      yield* Effect.sleep("50 millis")
      yield* engine.killContainer(id, "SIGKILL")
      assert.strictEqual(yield* Fiber.join(waiting), 137)
    })
  )

  it.effect("inspects images", () =>
    Effect.gen(function* () {
      const engine = yield* DockerEngine
      const { image } = yield* SwarmCluster
      const found = yield* engine.inspectImage(image)
      assert.match(found.Id, /^sha256:/)
      assert.isTrue(found.RepoTags.includes(image))
      assert.strictEqual((yield* engine.inspectImage(found.RepoDigests[0] ?? "")).Id, found.Id)
      assert.isTrue(isNotFound(yield* Effect.flip(engine.inspectImage("registry.example:5000/no/such:1"))))
    })
  )
}
