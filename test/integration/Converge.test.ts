import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { get } from "../cluster/EngineApi.ts"
import { pollUntil } from "../cluster/Poll.ts"
import { service, updateService } from "../cluster/Services.ts"
import { SwarmCluster } from "../cluster/SwarmCluster.ts"
import { checkLeftoversMeanwhile, taskExec, Web } from "./Harness.ts"

checkLeftoversMeanwhile()

const Tasks = Schema.Array(Schema.Struct({ Status: Schema.Struct({ Err: Schema.optionalKey(Schema.String) }) }))

const wait = (...args: ReadonlyArray<string>) => taskExec(["wait", "--timeout", "150s", ...args])

layer(Web.layer("converge"), { excludeTestServices: true, timeout: "180 seconds" })("wait", (it) => {
  it.effect("returns when all replicated services, jobs and global services of a stack have converged", () =>
    Effect.gen(function* () {
      const { image, manager } = yield* SwarmCluster
      const labels = { "com.docker.stack.namespace": "shop" }
      yield* service(manager.socket, { name: "shop_web", image, labels, replicas: 2 })
      yield* service(manager.socket, { name: "shop_log", image, labels, replicas: "global" })
      yield* service(manager.socket, { name: "shop_job", image, labels, job: true, command: ["sleep", "1"] })
      const { code, stderr, stdout } = yield* wait("--stack", "shop")
      assert.deepStrictEqual([code, stderr], [0, ""])
      assert.deepStrictEqual(stdout.toString().trimEnd().split("\n").sort(), [
        `shop_job converged: 1 of 1 tasks ready (${image})`,
        `shop_log converged: 3 of 3 tasks ready (${image})`,
        `shop_web converged: 2 of 2 tasks ready (${image})`
      ])
    }).pipe(Effect.scoped)
  )

  it.effect("does not return after an update before all tasks of the old spec have stopped", () =>
    Effect.gen(function* () {
      const { image, manager } = yield* SwarmCluster
      const name = "changing"
      const id = yield* service(manager.socket, { name, image, replicas: 2, env: ["V=1"] })
      assert.strictEqual((yield* wait("-q", name)).code, 0)
      yield* updateService(manager.socket, id, { containerSpec: { Env: ["V=2"] } })
      const { code, stderr, stdout } = yield* wait(name)
      assert.deepStrictEqual(
        [code, stdout.toString(), stderr],
        [0, `changing converged: 2 of 2 tasks ready (${image})\n`, ""]
      )
      const shown = yield* taskExec(["--all", "-q", "--output", "json", name, "sh", "-c", "echo $V"])
      assert.strictEqual(shown.stdout.toString().match(/"2\\n"/g)?.length, 2, shown.stdout.toString())
    }).pipe(Effect.scoped)
  )

  it.effect("fails with Swarm's reason for a paused update, and at the timeout with what is missing", () =>
    Effect.gen(function* () {
      const { image, manager } = yield* SwarmCluster
      const name = "failing"
      const id = yield* service(manager.socket, { name, image })
      assert.strictEqual((yield* wait("-q", name)).code, 0)
      yield* updateService(manager.socket, id, { containerSpec: { Command: ["sh", "-c", "exit 3"] } })
      const failed = yield* wait(name)
      assert.strictEqual(failed.code, 1, failed.stderr)
      assert.match(
        failed.stderr,
        /^task-exec wait: service failing did not converge: update paused due to failure or early termination of task \w+; failing\.1 on node-\d failed: task: non-zero exit \(3\)\. Run "task-exec ls failing" to list its tasks\.\n$/
      )
      yield* service(manager.socket, { name: "unplaced", image, constraints: ["node.labels.nowhere==1"] })
      const query = { filters: JSON.stringify({ service: { unplaced: true } }) }
      yield* pollUntil(
        Effect.map(get(manager.socket, "/tasks", Tasks, { query }), ([task]) => task?.Status.Err !== undefined),
        { every: 100, atMost: 120_000, orElse: Effect.die("Swarm does not say why the task is pending") }
      )
      const late = yield* taskExec(["wait", "--timeout", "2s", "unplaced"])
      assert.strictEqual(late.code, 124)
      assert.match(
        late.stderr,
        /timed out after 2 s: service unplaced has 0 of 1 tasks ready \(unplaced\.1: pending: no suitable node/
      )
    }).pipe(Effect.scoped)
  )

  it.effect("prints each service when it converges, ends at Ctrl-C, and fails for an unknown service", () =>
    Effect.gen(function* () {
      const { image, manager } = yield* SwarmCluster
      yield* service(manager.socket, { name: "early", image })
      yield* service(manager.socket, { name: "unplaced", image, constraints: ["node.labels.nowhere==1"] })
      const { code, stderr, stdout } = yield* taskExec(["wait", "early", "unplaced"], {
        onOutput: (_, kill) => kill("SIGINT")
      })
      assert.deepStrictEqual(
        [code, stdout.toString(), stderr],
        [130, `early converged: 1 of 1 tasks ready (${image})\n`, ""]
      )
      const missing = yield* wait("nope")
      assert.strictEqual(missing.code, 125)
      assert.match(missing.stderr, /service nope does not exist/)
    }).pipe(Effect.scoped)
  )
})
