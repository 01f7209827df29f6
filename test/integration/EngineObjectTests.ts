/** Tests of the requests about the objects of a swarm: nodes, services, secrets, networks, service logs. */
import { randomBytes } from "node:crypto"
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { Demux } from "../../src/engine/Demux.ts"
import { DockerEngine } from "../../src/engine/DockerEngine.ts"
import { isConflict, isNotFound } from "../../src/engine/EngineErrors.ts"
import { Swarm } from "../../src/engine/Swarm.ts"
import { service, waitRunning } from "../cluster/Services.ts"
import { SwarmCluster } from "../cluster/SwarmCluster.ts"
import { type EngineMethods, fresh } from "./EngineFixtures.ts"

/** Registers the tests, for any connection to the engine. */
export const engineObjectTests = (it: EngineMethods) => {
  it.effect("lists and inspects nodes", () =>
    Effect.gen(function* () {
      const swarm = yield* Swarm
      const { manager } = yield* SwarmCluster
      const nodes = yield* swarm.listNodes()
      assert.deepStrictEqual(nodes.map((node) => node.Description.Hostname).sort(), ["node-1", "node-2"])
      assert.deepStrictEqual((yield* swarm.listNodes({ role: ["worker"] })).length, 1)
      const node = yield* swarm.inspectNode(manager.nodeId)
      assert.isTrue(node.ManagerStatus?.Leader)
      assert.deepStrictEqual(
        [node.Spec.Role, node.Spec.Availability, node.Status.State],
        ["manager", "active", "ready"]
      )
      assert.isTrue(isNotFound(yield* Effect.flip(swarm.inspectNode("nope"))))
    })
  )

  it.effect("creates, lists, inspects and removes services, with their tasks", () =>
    Effect.gen(function* () {
      const engine = yield* DockerEngine
      const swarm = yield* Swarm
      const { image, manager } = yield* SwarmCluster
      const name = fresh("web")
      const spec = {
        Name: name,
        Labels: { mine: "yes" },
        TaskTemplate: {
          ContainerSpec: { Image: image, Command: ["sleep", "1000000"], StopGracePeriod: 1 },
          Placement: { Constraints: ["node.role==manager"] }
        },
        Mode: { Replicated: { Replicas: 2 } },
        EndpointSpec: { Mode: "dnsrr" as const }
      }
      const { id, warnings } = yield* Effect.acquireRelease(swarm.createService(spec), ({ id }) =>
        Effect.orDie(Effect.catchIf(swarm.removeService(id), isNotFound, () => Effect.void))
      )
      assert.deepStrictEqual(warnings, [])
      const running = yield* waitRunning(manager.socket, name, 2)

      assert.deepStrictEqual(
        (yield* swarm.listServices({ label: ["mine=yes"], name: [name] })).map((one) => one.ID),
        [id]
      )
      const inspected = yield* swarm.inspectService(name)
      assert.deepStrictEqual(inspected.Spec.Mode, { Replicated: { Replicas: 2 } })
      assert.deepStrictEqual(inspected.Spec.Labels, { mine: "yes" })

      const tasks = yield* swarm.listTasks({ service: [name], "desired-state": ["running"] })
      assert.deepStrictEqual(tasks.map((task) => task.ID).sort(), running.map((task) => task.id).sort())
      const task = yield* swarm.inspectTask(running[0]?.id ?? "")
      for (const whole of [task.Spec, inspected.Spec.TaskTemplate]) {
        assert.include(JSON.stringify(whole), `"Image":${JSON.stringify(image)}`)
      }
      assert.strictEqual(task.Slot, 1)
      assert.strictEqual(task.NodeID, manager.nodeId)
      assert.strictEqual(task.Status.State, "running")
      assert.strictEqual(task.Status.ContainerStatus?.ContainerID, running[0]?.containerId)
      const container = yield* engine.inspectContainer(task.Status.ContainerStatus?.ContainerID ?? "")
      assert.strictEqual(container.Config.Labels["com.docker.swarm.task.id"], task.ID)
      assert.deepStrictEqual(yield* swarm.listTasks({ service: [name], "desired-state": ["shutdown"] }), [])

      assert.isTrue(isConflict(yield* Effect.flip(swarm.createService(spec))))
      yield* swarm.removeService(id)
      assert.isTrue(isNotFound(yield* Effect.flip(swarm.removeService(id))))
      assert.isTrue(isNotFound(yield* Effect.flip(swarm.inspectService(name))))
      assert.isTrue(isNotFound(yield* Effect.flip(swarm.inspectTask("nope"))))
    })
  )

  it.effect("creates, lists and removes secrets, and refuses one that is too large", () =>
    Effect.gen(function* () {
      const swarm = yield* Swarm
      const secret = { name: fresh("secret"), labels: { mine: "yes" }, data: randomBytes(1000) }
      const id = yield* swarm.createSecret(secret)
      assert.deepStrictEqual(
        (yield* swarm.listSecrets({ label: ["mine=yes"] })).map(({ ID, Spec }) => [ID, Spec.Name]),
        [[id, secret.name]]
      )
      assert.isTrue(isConflict(yield* Effect.flip(swarm.createSecret(secret))))
      yield* swarm.removeSecret(id)
      assert.isTrue(isNotFound(yield* Effect.flip(swarm.removeSecret(id))))
      assert.deepStrictEqual(yield* swarm.listSecrets({ label: ["mine=yes"] }), [])
      const large = yield* Effect.flip(swarm.createSecret({ ...secret, data: randomBytes(600_000) }))
      assert.strictEqual(large._tag === "EngineError" && large.status, 400)
    })
  )

  it.effect("lists networks", () =>
    Effect.gen(function* () {
      const engine = yield* DockerEngine
      const [host] = yield* engine.listNetworks({ driver: ["host"] })
      assert.strictEqual(host?.Name, "host")
      assert.isTrue((yield* engine.listNetworks({ scope: ["swarm"] })).some((network) => network.Ingress))
    })
  )

  it.effect("follows the log of a service, and reads its last lines", () =>
    Effect.gen(function* () {
      const swarm = yield* Swarm
      const { image, manager } = yield* SwarmCluster
      const name = fresh("log")
      const command = ["sh", "-c", "echo one; echo two >&2; sleep 1; echo three; sleep 1000"]
      yield* service(manager.socket, { name, image, command })
      yield* waitRunning(manager.socket, name, 1)
      const log = yield* swarm.serviceLogs(name, { follow: true })
      const demux = new Demux()
      const pieces = yield* log.pipe(
        Stream.flatMap((chunk) => Stream.fromIterable(demux.push(chunk))),
        Stream.map(({ channel, data }) => `${channel} ${Buffer.from(data)}`),
        Stream.take(3),
        Stream.runCollect
      )
      assert.deepStrictEqual([...pieces].sort(), ["stderr two\n", "stdout one\n", "stdout three\n"])
      const tail = yield* swarm.serviceLogs(name, { follow: false, tail: 1 })
      const last = new Demux().push(Buffer.concat(yield* Stream.runCollect(tail)))
      assert.deepStrictEqual(
        last.map(({ data }) => Buffer.from(data).toString()),
        ["three\n"]
      )
      assert.isTrue(isNotFound(yield* Effect.flip(Effect.scoped(swarm.serviceLogs("nope", { follow: true })))))
    })
  )
}
