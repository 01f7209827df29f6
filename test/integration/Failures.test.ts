import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Schema from "effect/Schema"
import { DockerEngine } from "../../src/engine/DockerEngine.ts"
import { complained } from "../../src/executor/Refusal.ts"
import { version } from "../../src/Version.ts"
import { get, request } from "../cluster/EngineApi.ts"
import { engineProxy } from "../cluster/EngineProxy.ts"
import { pollUntil } from "../cluster/Poll.ts"
import { createService, removeService, service, waitRunning } from "../cluster/Services.ts"
import { type ClusterNode, SwarmCluster } from "../cluster/SwarmCluster.ts"
import { availability, checkLeftoversMeanwhile, type ProcessOptions, programOn, taskExec, Web } from "./Harness.ts"

checkLeftoversMeanwhile()

layer(Web.layer("failures"), { excludeTestServices: true, timeout: "180 seconds" })("an error", (it) => {
  const remote = (flags: ReadonlyArray<string>, ...command: ReadonlyArray<string>) =>
    Effect.flatMap(Web, (web) => taskExec([...flags, web.target(web.remote), ...command]))

  it.effect("comes at once for an unknown helper image, with the node and the engine's reason", () =>
    Effect.gen(function* () {
      const { registry } = yield* SwarmCluster
      const web = yield* Web
      const { code, stderr, stdout } = yield* remote(["--image", `${registry}/no-such-image:1`], "true")
      assert.deepStrictEqual([code, stdout.toString()], [125, ""])
      const node = web.nodeOf(web.remote).name
      assert.match(
        stderr,
        new RegExp(
          `^task-exec: cannot start a helper on ${node}: the node cannot get the image ${registry}/no-such-image:1: No such image.*\\n` +
            `    Push it to a registry that ${node} can pull from, or load it on ${node} with docker load\\n` +
            "    Or name another image with --image, TASK_EXEC_IMAGE, or .*config\\.json\\n$"
        )
      )
    })
  )

  it.effect("says how to build the image in a checkout, and the connected engine needs none", () =>
    Effect.gen(function* () {
      const web = yield* Web
      const env = { TASK_EXEC_IMAGE: undefined, XDG_CONFIG_HOME: "/nonexistent" }
      const { manager } = yield* SwarmCluster
      const local = yield* programOn(manager, "task-exec.cjs", [web.target(web.local), "echo", "here"], { env })
      assert.deepStrictEqual([local.code, local.stdout.toString(), local.stderr], [0, "here\n", ""])
      const node = web.nodeOf(web.remote).name
      const { code, stderr } = yield* taskExec([web.target(web.remote), "true"], { env })
      assert.strictEqual(code, 125)
      assert.match(
        stderr,
        new RegExp(
          `^task-exec: cannot start a helper on ${node}: the node cannot get the image task-exec:${version}: .*\\n` +
            `    This build has no published image\\. Build one and push it: npm run image -- REGISTRY/task-exec:${version} --push\\n` +
            "    Then name it with --image, TASK_EXEC_IMAGE, or .*config\\.json\\n$"
        )
      )
    })
  )

  it.effect("names an image that is not task-exec's", () =>
    Effect.gen(function* () {
      const { image } = yield* SwarmCluster
      const { code, stderr } = yield* remote(["--image", image], "true")
      assert.strictEqual(code, 125)
      assert.match(
        stderr,
        /^task-exec: (cannot start a helper on node node-\d|the helper on node node-\d failed before it ran the command): .*"?helper"?.*\n$/
      )
    })
  )

  it.effect("names a paused node before anything is created", () =>
    Effect.gen(function* () {
      const web = yield* Web
      const node = web.nodeOf(web.remote)
      yield* availability(node, "pause")
      const { code, stderr } = yield* remote([], "true")
      assert.strictEqual(code, 125)
      assert.match(
        stderr,
        new RegExp(
          `^task-exec: cannot start a helper for task ${web.target(web.remote)} on node ${node.name}: its availability is pause\\. .*\\n$`
        )
      )
    }).pipe(Effect.scoped)
  )

  it.effect("refuses --via local for a task on another node", () =>
    Effect.gen(function* () {
      const { code, stderr } = yield* remote(["--via", "local"], "true")
      assert.strictEqual(code, 125)
      assert.match(
        stderr,
        /^task-exec: cannot use --via local: task failures\.\d runs on node node-\d, not on the connected engine's node\. Use --via auto\.\n$/
      )
    })
  )

  it.effect("names the managers that a worker knows", () =>
    Effect.gen(function* () {
      const { nodes } = yield* SwarmCluster
      const worker = nodes.find(({ role }) => role === "worker")
      const { code, stderr } = yield* taskExec(["failures.1", "true"], { env: { DOCKER_HOST: worker?.dockerHost } })
      assert.strictEqual(code, 125)
      assert.match(
        stderr,
        /^task-exec: cannot (list|inspect) .+ on node node-\d \(unix:.*\): this node is a worker, not a manager\. Set DOCKER_HOST to a manager.*\n$/
      )
    })
  )

  it.effect("names an address without an engine, and an invalid address", () =>
    Effect.gen(function* () {
      const missing = yield* taskExec(["failures.1", "true"], { env: { DOCKER_HOST: "unix:///nowhere/docker.sock" } })
      assert.strictEqual(missing.code, 125)
      assert.match(
        missing.stderr,
        /^task-exec: cannot connect to the Docker engine at unix:\/\/\/nowhere\/docker\.sock: .*\n$/
      )
      const invalid = yield* taskExec(["failures.1", "true"], { env: { DOCKER_HOST: "carrier-pigeon://loft" } })
      assert.strictEqual(invalid.code, 2)
      assert.match(
        invalid.stderr,
        /^task-exec: cannot connect to "carrier-pigeon:\/\/loft".*\nSee 'task-exec --help'\.\n$/
      )
    })
  )

  it.effect("has the limit for a request that is larger than a secret", () =>
    Effect.gen(function* () {
      const { code, stderr } = yield* remote(
        Array.from({ length: 6 }, (_, at) => ["-e", `V${at}=${"x".repeat(100_000)}`]).flat(),
        "true"
      )
      assert.strictEqual(code, 125)
      assert.match(
        stderr,
        /^task-exec: cannot send the request to the node: command and environment take \d+ bytes, and a Swarm secret holds at most 499999\. .*\n$/
      )
    })
  )

  it.effect("for wrong usage is 2, one line and the command for help", () =>
    Effect.gen(function* () {
      for (const args of [["web"], ["--wrong", "web", "true"], ["pod/web", "true"], ["web", ""]]) {
        const { code, stderr, stdout } = yield* taskExec(args)
        assert.deepStrictEqual([code, stdout.toString()], [2, ""])
        assert.match(stderr, /^task-exec: .+\nSee 'task-exec --help'\.\n$/)
      }
    })
  )

  it.effect("does not come from eight runs at once", () =>
    Effect.gen(function* () {
      const web = yield* Web
      const results = yield* Effect.forEach(
        Array.from({ length: 8 }, (_, at) => at),
        (at) => taskExec([web.target(at % 2 === 0 ? web.remote : web.local), "sh", "-c", `echo run ${at}; exit ${at}`]),
        { concurrency: 8 }
      )
      assert.deepStrictEqual(
        results.map(({ code, stderr, stdout }) => [code, stdout.toString(), stderr]),
        results.map((_, at) => [at, `run ${at}\n`, ""])
      )
    })
  )
})

/** Runs a command in its own service. Applies an effect as soon as the command has printed `up`. */
const meanwhile = <E, R>(
  node: ClusterNode,
  act: (target: {
    readonly name: string
    readonly containerId: string
    readonly node: ClusterNode
  }) => Effect.Effect<unknown, E, R>,
  env: NonNullable<ProcessOptions["env"]> = {}
) =>
  Effect.gen(function* () {
    const { image, manager } = yield* SwarmCluster
    const name = "target"
    const id = yield* createService(manager.socket, { name, image, node: node.name, restart: "none" })
    yield* Effect.addFinalizer(() => Effect.ignore(removeService(manager.socket, id)))
    const [task] = yield* waitRunning(manager.socket, name, 1)
    const up = yield* Latch.make()
    const [result] = yield* Effect.all(
      [
        taskExec([name, "sh", "-c", "echo up; sleep 3456"], {
          env,
          onOutput: (output) => output === "up\n" && Latch.openUnsafe(up)
        }),
        up.await.pipe(Effect.andThen(act({ name, containerId: task?.containerId ?? "", node })))
      ],
      { concurrency: 2 }
    )
    return result
  }).pipe(Effect.scoped)

layer(SwarmCluster.layerShared, { excludeTestServices: true })("events during a command", (it) => {
  for (const place of ["local", "remote"] as const) {
    const node = Effect.map(SwarmCluster, ({ manager, nodes }) =>
      place === "local" ? manager : (nodes.find(({ nodeId }) => nodeId !== manager.nodeId) ?? manager)
    )

    it.effect(`${place}: a service that is scaled to 0 is an error, never a 0`, () =>
      Effect.gen(function* () {
        const { manager } = yield* SwarmCluster
        const result = yield* meanwhile(yield* node, ({ name }) => removeService(manager.socket, name))
        assert.deepStrictEqual([result.code, result.stdout.toString()], [125, "up\n"])
        assert.match(
          result.stderr,
          /^task-exec: the command did not finish: container [0-9a-f]{12} stopped\. Swarm .*\n$/
        )
      })
    )

    it.effect(`${place}: a container that dies is an error, never a 0`, () =>
      Effect.gen(function* () {
        const result = yield* meanwhile(yield* node, (target) =>
          request(target.node.socket, "POST", `/containers/${target.containerId}/kill`)
        )
        assert.deepStrictEqual([result.code, result.stdout.toString()], [125, "up\n"])
        assert.match(
          result.stderr,
          /^task-exec: the command did not finish: container [0-9a-f]{12} stopped\. Swarm .*\n$/
        )
      })
    )
  }

  for (const isKnown of [true, false]) {
    it.effect(
      `removing a helper ${isKnown ? "that runs" : "before the caller knows that it runs"} kills the command, and the outcome is unknown`,
      () =>
        Effect.gen(function* () {
          const { manager, nodes } = yield* SwarmCluster
          const ofTasks = /^GET \/tasks\?.*task-exec-[a-z0-9]{26}/
          let isHeld = !isKnown
          const proxy = yield* engineProxy(manager.socket, ({ line }) =>
            isHeld && ofTasks.test(line) ? "keep" : "pass"
          )
          const looks = Effect.sync(() => proxy.requests.filter((line) => ofTasks.test(line)).length)
          const result = yield* meanwhile(
            nodes.find((node) => node.nodeId !== manager.nodeId) ?? manager,
            () =>
              Effect.gen(function* () {
                const Services = Schema.Array(Schema.Struct({ ID: Schema.String }))
                const query = { filters: JSON.stringify({ label: { "task-exec.role=helper": true } }) }
                const [helper] = yield* get(manager.socket, "/services", Services, { query })
                assert.isDefined(helper)
                if (isKnown) {
                  yield* waitRunning(manager.socket, helper.ID, 1)
                  // The answer to the first request tells the caller that the helper runs.
                  const seen = yield* looks
                  yield* pollUntil(
                    Effect.map(looks, (count) => count >= seen + 2),
                    { atMost: 120_000, orElse: Effect.die("the caller does not look at the helper") }
                  )
                }
                yield* removeService(manager.socket, helper.ID)
                isHeld = false
                proxy.release()
              }),
            { DOCKER_HOST: proxy.dockerHost }
          )
          assert.deepStrictEqual([result.code, result.stdout.toString()], [125, "up\n"])
          assert.match(
            result.stderr,
            /^task-exec: the outcome of the command is unknown: the helper on node node-\d disappeared without a report \(its service was removed.*\)\. .*\n$/
          )
        }).pipe(Effect.scoped)
    )
  }
})

layer(SwarmCluster.layerShared, { excludeTestServices: true, timeout: "180 seconds" })(
  "a container that ends while a command starts",
  (it) => {
    it.effect("is reported as not running, whatever the runtime's error is", () =>
      Effect.gen(function* () {
        const { image, manager } = yield* SwarmCluster
        const tagsIn = Effect.fnUntraced(function* (container: string) {
          const engine = yield* DockerEngine
          const lost =
            "OCI runtime exec failed: unable to start container process: read init-p: connection reset by peer"
          const own = 'OCI runtime exec failed: exec: "/etc/passwd": permission denied'
          const words = [lost, own, "something that no engine says yet"]
          const spec = { command: ["x"], container } as const
          return yield* Effect.forEach(words, (text) => Effect.flip(complained(engine, spec, text)))
        })
        yield* Effect.gen(function* () {
          const engine = yield* DockerEngine
          const { id } = yield* Effect.acquireRelease(
            engine.createContainer({ config: { Image: image, Cmd: ["sleep", "1000000"] } }),
            ({ id }) => Effect.orDie(engine.removeContainer(id, { force: true }))
          )
          yield* engine.startContainer(id)
          const notStarted = "CommandNotStarted"
          const notRunning = "ContainerNotRunning"
          const tags = Effect.map(tagsIn(id), (errors) => errors.map(({ _tag }) => _tag))
          assert.deepStrictEqual(yield* tags, [notStarted, notStarted, notStarted])
          yield* engine.killContainer(id, "SIGKILL")
          assert.deepStrictEqual(yield* tags, [notRunning, notStarted, notRunning])
        }).pipe(Effect.provide(DockerEngine.layerFor({ _tag: "Unix", path: manager.socket })))
      }).pipe(Effect.scoped)
    )
  }
)

const NodeState = Schema.Struct({ Status: Schema.Struct({ State: Schema.String }) })

layer(SwarmCluster.layerShared, { excludeTestServices: true, timeout: "180 seconds" })(
  "a node without our image",
  (it) => {
    it.effect("reports that a command could not be killed, if that is not confirmed", () =>
      Effect.gen(function* () {
        const { image, manager, registry } = yield* SwarmCluster
        const name = "unkillable"
        yield* service(manager.socket, { name, image, node: manager.name })
        yield* waitRunning(manager.socket, name, 1)
        const none = `${registry}/no-such-image:1`
        const { code, stderr } = yield* taskExec(["--image", none, "--timeout", "1", name, "sleep", "1000"])
        assert.strictEqual(code, 125)
        assert.match(
          stderr,
          /^task-exec: cannot start a guard: .*no-such-image.*\ntask-exec: timed out after 1 s; the command may still be running \(.*no-such-image.*\)\. .*\n$/
        )
      }).pipe(Effect.scoped)
    )
  }
)

layer(SwarmCluster.layerShared, { excludeTestServices: true, timeout: "180 seconds" })(
  "a node that does not answer",
  (it) => {
    it.effect("fails at the placement timeout, and once the node is down before anything is created", () =>
      Effect.gen(function* () {
        const cluster = yield* SwarmCluster
        const { image, manager } = cluster
        const worker = cluster.nodes.find(({ role }) => role === "worker")
        assert(worker !== undefined)
        const name = "silent"
        yield* service(manager.socket, { name, image, node: worker.name })
        yield* waitRunning(manager.socket, name, 1)
        const becomes = (wanted: string) =>
          pollUntil(
            Effect.map(
              get(manager.socket, `/nodes/${worker.nodeId}`, NodeState),
              ({ Status }) => Status.State === wanted
            ),
            { every: 200, atMost: 120_000, orElse: Effect.die(`${worker.name} does not become ${wanted}`) }
          )
        yield* Effect.acquireRelease(cluster.killEngine(worker, "SIGSTOP"), () =>
          Effect.orDie(Effect.andThen(cluster.startEngine(worker), becomes("ready")))
        )

        const early = yield* taskExec(["--placement-timeout", "2s", "--image", image, name, "true"])
        assert.strictEqual(early.code, 125)
        assert.match(
          early.stderr,
          new RegExp(
            `^task-exec: cannot start a helper on node ${worker.name}: its task was still [a-z]+ after [\\d.]+ s.* The node may run the command nevertheless: .*\\n$`
          )
        )

        yield* becomes("down")
        const late = yield* taskExec(["--image", image, `${name}@${worker.name}`, "true"])
        assert.strictEqual(late.code, 125)
        assert.match(
          late.stderr,
          new RegExp(
            `^task-exec: (cannot start a helper for task ${name}\\.1 on node ${worker.name}: the node is down\\. Check the engine on ${worker.name}\\.|.*)\\n$`
          )
        )
      }).pipe(Effect.scoped)
    )
  }
)
