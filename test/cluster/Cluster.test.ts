import { rm } from "node:fs/promises"
import { join } from "node:path"
import { assert, layer } from "@effect/vitest"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { Nodes, reaches, within } from "./ClusterTests.ts"
import { CommandFailed } from "./Command.ts"
import { get, post, remove, request } from "./EngineApi.ts"
import { crashFile, crashIn, findNewCrash, knownCrash } from "./EngineCrash.ts"
import { assertNothingLeft, leftovers } from "./Leftovers.ts"
import { pollUntil } from "./Poll.ts"
import { signal } from "./Processes.ts"
import { execIn, service, waitRunning } from "./Services.ts"
import { clusterVariable, SwarmCluster } from "./SwarmCluster.ts"

const Info = Schema.Struct({ ID: Schema.String, Name: Schema.String, Driver: Schema.String })
const Created = Schema.Struct({ ID: Schema.String })

layer(SwarmCluster.layer({ nodes: 3 }), { timeout: 180_000, excludeTestServices: true })(
  "a swarm of three nodes",
  (it) => {
    it.effect("has three ready nodes, and the first one is the manager", () =>
      Effect.gen(function* () {
        const { manager } = yield* SwarmCluster
        const nodes = yield* get(manager.socket, "/nodes", Nodes)
        const seen = nodes.map((node) => [node.Description.Hostname, node.Spec.Role, node.Status.State].join(" "))
        assert.deepStrictEqual(seen.sort(), ["node-1 manager ready", "node-2 worker ready", "node-3 worker ready"])
      })
    )

    it.effect("has engines with separate names, identities and overlay2 layers", () =>
      Effect.gen(function* () {
        const { nodes } = yield* SwarmCluster
        const infos = yield* Effect.forEach(nodes, (node) => get(node.socket, "/info", Info))
        assert.deepStrictEqual(
          infos.map((info) => `${info.Name} ${info.Driver}`),
          ["node-1 overlay2", "node-2 overlay2", "node-3 overlay2"]
        )
        assert.strictEqual(new Set(infos.map((info) => info.ID)).size, 3)
      })
    )

    it.effect("runs a service on all nodes, with the image from the registry", () =>
      Effect.gen(function* () {
        const { image, manager, nodes } = yield* SwarmCluster
        yield* service(manager.socket, { name: "everywhere", image, replicas: "global" })
        const tasks = yield* waitRunning(manager.socket, "everywhere", 3)
        for (const node of nodes) {
          const task = tasks.find((one) => one.nodeId === node.nodeId)
          assert.isDefined(task)
          const applets = "for a in sh cat sleep head dd ls env id sha256sum tar nc vi; do which $a >&2; done; id -un"
          const result = yield* execIn(node.socket, task.containerId, ["sh", "-c", applets])
          assert.strictEqual(result.exitCode, 0)
          assert.strictEqual(result.stdout, "root\n")
          assert.strictEqual(result.stderr.trim().split("\n").length, 12)
        }
      })
    )

    it.effect("loads images, and copies them to other nodes", () =>
      Effect.gen(function* () {
        const cluster = yield* SwarmCluster
        const { dir, manager, registry } = cluster
        const ref = `${registry}/mine:2`
        yield* cluster.importImage(ref, join(dir, "busybox.tar"), { changes: ["ENV MINE=yes"] })
        const digest = yield* cluster.push(manager, ref)
        assert.match(digest, /^sha256:[0-9a-f]{64}$/)
        yield* service(manager.socket, { name: "mine", image: `${registry}/mine@${digest}`, node: "node-3" })
        const [task] = yield* waitRunning(manager.socket, "mine", 1)
        const node = cluster.nodes[2]
        assert.isDefined(task)
        assert.isDefined(node)
        assert.strictEqual(task.nodeId, node.nodeId)
        const result = yield* execIn(node.socket, task.containerId, ["sh", "-c", "echo $MINE"])
        assert.strictEqual(result.stdout, "yes\n")
      })
    )

    it.effect("runs commands inside a node, and kills them with their caller", () =>
      Effect.gen(function* () {
        const { nodes } = yield* SwarmCluster
        const [, node] = nodes
        assert.isDefined(node)
        assert.strictEqual(yield* node.exec(["hostname"]), "node-2\n")
        const failure = yield* Effect.flip(node.exec(["sh", "-c", "echo no >&2; exit 3"]))
        assert.instanceOf(failure, CommandFailed)
        assert.strictEqual(failure.exitCode, 3)
        const marker = `86${process.pid}`
        const sleeper = Effect.match(node.exec(["pgrep", "-f", `sleep ${marker}$`]), {
          onFailure: () => 0,
          onSuccess: (found) => found.trim().split("\n").length
        })
        const fiber = yield* Effect.forkChild(node.exec(["sleep", marker]))
        yield* pollUntil(
          Effect.map(sleeper, (count) => count > 0),
          within(120_000, "the command's start")
        )
        yield* Fiber.interrupt(fiber)
        yield* pollUntil(
          Effect.map(sleeper, (count) => count === 0),
          within(120_000, "the command's end")
        )
      })
    )

    it.effect("disconnects and reconnects a node", () =>
      Effect.gen(function* () {
        const cluster = yield* SwarmCluster
        const { manager, nodes } = cluster
        const [, , node] = nodes
        assert.isDefined(node)
        yield* pollUntil(reaches(manager, node.address), within(120_000, "an answer from node-3"))
        yield* cluster.link(node, "down")
        assert.isFalse(yield* reaches(manager, node.address))
        yield* cluster.link(node, "up")
        yield* pollUntil(reaches(manager, node.address), within(120_000, "an answer from node-3"))
      })
    )

    it.effect("kills an engine and starts it again", () =>
      Effect.gen(function* () {
        const cluster = yield* SwarmCluster
        const { image, manager, nodes } = cluster
        const [, , node] = nodes
        assert.isDefined(node)
        yield* service(manager.socket, { name: "survivor", image, node: node.name })
        yield* waitRunning(manager.socket, "survivor", 1)
        const before = yield* node.enginePids
        assert.strictEqual(before.length, 1)
        yield* cluster.killEngine(node, "SIGKILL")
        assert.deepStrictEqual(yield* node.enginePids, [])
        assert.isUndefined(yield* crashIn(cluster))
        yield* cluster.startEngine(node)
        assert.notDeepEqual(yield* node.enginePids, before)
        const [task] = yield* waitRunning(manager.socket, "survivor", 1)
        assert.strictEqual(task?.nodeId, node.nodeId)
      })
    )

    it.effect("reports an engine that ended by itself, once", () =>
      Effect.gen(function* () {
        const cluster = yield* SwarmCluster
        const [, , node] = cluster.nodes
        assert.isDefined(node)
        assert.isUndefined(yield* findNewCrash(cluster))
        for (const pid of yield* node.enginePids) yield* signal(pid, "SIGKILL")
        yield* pollUntil(
          Effect.map(node.enginePids, (pids) => pids.length === 0),
          within(120_000, "the engine's end")
        )
        const crash = yield* findNewCrash(cluster)
        assert.match(
          crash?.message ?? "",
          /^the engine of node-3 crashed:\nits process is gone, and nothing ended it\. Its log/
        )
        assert.isUndefined(yield* findNewCrash(cluster))
        assert.deepStrictEqual(yield* knownCrash(cluster.dir), crash)
        yield* cluster.startEngine(node)
        // The other tests use this swarm, too.
        yield* Effect.promise(() => rm(crashFile(cluster.dir)))
        assert.isUndefined(yield* crashIn(cluster))
      })
    )

    it.effect("finds leftovers, and nothing else", () =>
      Effect.gen(function* () {
        const cluster = yield* SwarmCluster
        const { image, manager, nodes } = cluster
        const { socket } = manager
        yield* assertNothingLeft(cluster)
        const Labels = { "task-exec.test": "1" }
        const Data = Buffer.from("x").toString("base64")
        yield* service(socket, { name: "foreign", image, labels: { "com.example": "1" } })
        yield* Effect.scoped(
          Effect.gen(function* () {
            const made = (path: string, body: unknown, removal: (id: string) => string) =>
              Effect.acquireRelease(post(socket, path, Created, { body }), ({ ID }) =>
                Effect.orDie(remove(socket, removal(ID)))
              )
            yield* made("/secrets/create", { Name: "s", Labels, Data }, (id) => `/secrets/${id}`)
            yield* made("/configs/create", { Name: "c", Labels, Data }, (id) => `/configs/${id}`)
            yield* Effect.acquireRelease(
              post(socket, "/networks/create", Schema.Unknown, { body: { Name: "n", Driver: "overlay", Labels } }),
              () => Effect.orDie(remove(socket, "/networks/n"))
            )
            const [, node] = nodes
            assert.isDefined(node)
            yield* Effect.acquireRelease(
              post(node.socket, "/volumes/create", Schema.Unknown, { body: { Name: "vol", Labels } }),
              () => Effect.orDie(remove(node.socket, "/volumes/vol"))
            )
            const spec = {
              image,
              node: node.name,
              labels: Labels,
              containerSpec: { Labels },
              env: ["TASK_EXEC_RUN=42"]
            }
            yield* service(socket, { name: "helper", ...spec })
            yield* waitRunning(socket, "helper", 1)
            const kinds = (yield* leftovers(cluster)).map((item) => item.replace(/(\S+) \S+ \([^)]*\)/, "$1"))
            assert.deepStrictEqual(kinds, [
              "service",
              "secret",
              "config",
              "network",
              "container on node-2",
              "volume vol on node-2",
              "process with TASK_EXEC_RUN=42"
            ])
          })
        )
        // Swarm removes the helper's container some time after its service.
        yield* assertNothingLeft(cluster)
      })
    )

    it.effect("removes leftovers, and those that appear meanwhile", () =>
      Effect.gen(function* () {
        const cluster = yield* SwarmCluster
        const { image, manager } = cluster
        const make = (name: string) =>
          request(manager.socket, "POST", "/containers/create", {
            query: { name },
            body: { Image: image, Cmd: ["true"], Labels: { "task-exec.test": "1" } }
          })
        yield* make("first")
        // Like a helper that continues after its caller was killed.
        const firstIsGone = pollUntil(
          Effect.isFailure(request(manager.socket, "GET", "/containers/first/json")),
          within(120_000, "the end of the first container")
        )
        const helper = yield* Effect.forkChild(Effect.andThen(firstIsGone, make("second")))
        const { message } = yield* Effect.flip(assertNothingLeft(cluster, { timeout: 0 }))
        assert.match(message, /^left behind:\n {2}container \/first \(\w+, created\) on node-1$/)
        yield* Fiber.join(helper)
        assert.deepStrictEqual(yield* leftovers(cluster, { timeout: 0 }), [])
      })
    )

    it.effect("can be attached to, and survives the end of the attached program", () =>
      Effect.gen(function* () {
        const cluster = yield* SwarmCluster
        const variables = ConfigProvider.fromEnvRecord({ [clusterVariable]: cluster.dir })
        const shared = SwarmCluster.layerShared.pipe(
          Layer.provide(Layer.succeed(ConfigProvider.ConfigProvider, variables))
        )
        const attached = yield* Effect.provide(SwarmCluster, shared, { local: true })
        assert.notStrictEqual(attached, cluster)
        assert.strictEqual(attached.id, cluster.id)
        assert.strictEqual(attached.image, cluster.image)
        assert.strictEqual(yield* attached.manager.exec(["hostname"]), "node-1\n")
        assert.strictEqual((yield* get(cluster.manager.socket, "/nodes", Nodes)).length, 3)
      })
    )
  }
)
