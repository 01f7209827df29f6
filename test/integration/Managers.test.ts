import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import { leftovers } from "../cluster/Leftovers.ts"
import { pollUntil } from "../cluster/Poll.ts"
import { execIn, service, waitRunning } from "../cluster/Services.ts"
import { SwarmCluster } from "../cluster/SwarmCluster.ts"
import { program } from "./Harness.ts"
import { imageFor } from "./SwarmPool.ts"

layer(SwarmCluster.layer({ nodes: 4, managers: 3 }), { excludeTestServices: true, timeout: "180 seconds" })(
  "three managers",
  (it) => {
    it.effect("the result of a command arrives although the leader dies, and the command ran once", () =>
      Effect.gen(function* () {
        const cluster = yield* SwarmCluster
        const { image, manager, nodes } = cluster
        const worker = nodes.find(({ role }) => role === "worker")
        assert(worker !== undefined)
        const ref = yield* imageFor(cluster)
        yield* service(nodes[1]?.socket ?? "", { name: "web", image, node: worker.name })
        const [task] = yield* waitRunning(manager.socket, "web", 1)
        const managers = nodes.filter(({ role }) => role === "manager").map(({ dockerHost }) => dockerHost)

        const up = yield* Latch.make()
        const script = "echo start >> /tmp/runs; echo up; sleep 15; echo end >> /tmp/runs; echo done; exit 7"
        const [result] = yield* Effect.all(
          [
            program("task-exec.cjs", ["web", "sh", "-c", script], {
              env: { DOCKER_HOST: managers.join(","), TASK_EXEC_IMAGE: ref },
              onOutput: (output) => output === "up\n" && Latch.openUnsafe(up)
            }),
            up.await.pipe(Effect.andThen(cluster.killEngine(manager, "SIGKILL")))
          ],
          { concurrency: 2 }
        )
        const runs = yield* execIn(worker.socket, task?.containerId ?? "", ["cat", "/tmp/runs"])
        assert.strictEqual(runs.stdout, "start\nend\n")
        assert.deepStrictEqual([result.code, result.stdout.toString()], [7, "up\ndone\n"], result.stderr)
        yield* cluster.startEngine(manager)
        // A restarted manager lists removed objects for a while.
        yield* pollUntil(
          Effect.map(leftovers(cluster, { timeout: 0 }), ({ length }) => length === 0),
          {
            every: 1000,
            atMost: 120_000,
            orElse: Effect.flatMap(leftovers(cluster, { timeout: 0 }), (items) => Effect.die(items.join("\n")))
          }
        )
      })
    )
  }
)
