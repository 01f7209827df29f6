import { spawn } from "node:child_process"
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { rm } from "node:fs/promises"
import { basename, join } from "node:path"
import { assert, describe, it, layer } from "@effect/vitest"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type { ClusterOptions } from "./Assembly.ts"
import { clustersDir, load } from "./ClusterState.ts"
import { CommandFailed, run } from "./Command.ts"
import { get, post, remove, request } from "./EngineApi.ts"
import { crashFile, crashIn, findNewCrash, knownCrash } from "./EngineCrash.ts"
import { assertNothingLeft, leftovers } from "./Leftovers.ts"
import { pollUntil } from "./Poll.ts"
import { isAlive, refOf, signal } from "./Processes.ts"
import { createService, execIn, service, waitRunning } from "./Services.ts"
import { type ClusterNode, clusterVariable, SwarmCluster, type SwarmClusterShape } from "./SwarmCluster.ts"

const mainFile = join(import.meta.dirname, "./main.ts")

class TimeUp extends Schema.TaggedError<TimeUp>()("TimeUp", { what: Schema.String }) {
  override get message(): string {
    return `waited in vain: ${this.what}`
  }
}

const within = (atMost: number, what: string) => ({ every: 20, atMost, orElse: Effect.fail(new TimeUp({ what })) })

/** Pings once from inside a node. Returns whether a response arrived. */
const reaches = (node: ClusterNode, address: string) =>
  Effect.match(node.exec(["busybox", "ping", "-c", "1", "-W", "1", address]), {
    onFailure: () => false,
    onSuccess: () => true
  })

const Nodes = Schema.Array(
  Schema.Struct({
    Description: Schema.Struct({ Hostname: Schema.String }),
    Spec: Schema.Struct({ Role: Schema.String }),
    Status: Schema.Struct({ State: Schema.String })
  })
)
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

/** The text of a file in /proc. Empty if the process has ended. */
const procFile = (pid: string, file: string): string => {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "utf8")
  } catch {
    return ""
  }
}

/** All processes except this one. */
const otherProcesses = () => readdirSync("/proc").filter((name) => /^\d+$/.test(name) && name !== String(process.pid))

/** Everything on this machine that has a cluster's name or number. */
const traces = Effect.fnUntraced(function* (dir: string, index: number) {
  const links = (yield* run("ip", ["-oneline", "link"])).split("\n")
  const rules = (yield* run("iptables", ["-S"])).split("\n")
  const cgroup = `task-exec/${basename(dir)}`
  return {
    links: links.filter((line) => new RegExp(`^\\d+: taskexec${index}(n\\d+)?[@:]`).test(line)),
    rules: rules.filter((line) => line.includes(`-i taskexec${index} `)),
    mounts: procFile("self", "mounts")
      .split("\n")
      .filter((line) => line.includes(`${dir}/`)),
    processes: otherProcesses().filter(
      (pid) =>
        procFile(pid, "environ").includes(`=${dir}\0`) ||
        procFile(pid, "mounts").includes(`${dir}/`) ||
        procFile(pid, "cgroup").includes(`/${cgroup}/`)
    ),
    cgroups: ["", ...readdirSync("/sys/fs/cgroup")]
      .map((name) => join("/sys/fs/cgroup", name, cgroup))
      .filter(existsSync),
    folder: [dir].filter(existsSync)
  }
})

const nothing = { links: [], rules: [], mounts: [], processes: [], cgroups: [], folder: [] }

/** Number of a cluster's subnet. */
const indexOf = (cluster: SwarmClusterShape) => Number(cluster.registry.split(".")[2])

/** A cluster that is removed with the scope. */
const cluster = (options: ClusterOptions) =>
  Effect.map(Layer.build(SwarmCluster.layer(options)), (context) => Context.get(context, SwarmCluster))

interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** The shell that removes a process's clusters (`ExitSweep.ts`). */
const exitSweepOf = (pid: number) =>
  otherProcesses().filter((other) => procFile(other, "cmdline").includes(`\0${pid}/`))

/** Runs `npm run swarm -- …`. With `killWhen`, it is killed as soon as that holds, after the result of `andKill`. */
const swarm = (
  args: ReadonlyArray<string>,
  killWhen?: () => boolean,
  andKill: (pid: number) => ReadonlyArray<string> = () => []
) =>
  Effect.callback<Ended>((resume) => {
    const output = { stdout: "", stderr: "" }
    const child = spawn(process.execPath, [mainFile, ...args], { stdio: ["ignore", "pipe", "pipe"] })
    child.stdout.on("data", (chunk) => (output.stdout += String(chunk)))
    child.stderr.on("data", (chunk) => (output.stderr += String(chunk)))
    const watch = setInterval(() => {
      if (killWhen?.() !== true) return
      for (const pid of andKill(child.pid ?? 0)) process.kill(Number(pid), "SIGKILL")
      child.kill("SIGKILL")
      clearInterval(watch)
    }, 5)
    child.once("exit", () => clearInterval(watch))
    child.once("close", (code) => resume(Effect.succeed({ code, ...output })))
    return Effect.sync(() => void child.kill("SIGTERM"))
  })

describe("clusters", () => {
  it.live("run side by side, and leave nothing", () =>
    Effect.gen(function* () {
      const [one, two, processes] = yield* Effect.scoped(
        Effect.gen(function* () {
          const both = [cluster({ nodes: 1 }), cluster({ nodes: 1 })] as const
          const [one, two] = yield* Effect.all(both, { concurrency: 2 })
          assert.notStrictEqual(one.id, two.id)
          assert.notStrictEqual(one.registry, two.registry)
          assert.isFalse(yield* reaches(one.manager, two.manager.address))
          yield* service(one.manager.socket, { name: "twins", image: one.image, replicas: 2 })
          yield* waitRunning(one.manager.socket, "twins", 2)
          const during = yield* traces(one.dir, indexOf(one))
          assert.strictEqual(during.links.length, 2)
          assert.strictEqual(during.rules.length, 2)
          assert.strictEqual(during.folder.length, 1)
          assert.isAbove(during.processes.length, 6)
          assert.isAbove(during.cgroups.length, 0)
          yield* createService(one.manager.socket, { name: "left", image: one.image })
          yield* waitRunning(one.manager.socket, "left", 1)
          const refs = yield* Effect.forEach(during.processes, (pid) => refOf(Number(pid)))
          return [one, two, refs.filter((ref) => ref !== undefined)] as const
        })
      )
      assert.deepStrictEqual(yield* traces(one.dir, indexOf(one)), nothing)
      assert.deepStrictEqual(yield* traces(two.dir, indexOf(two)), nothing)
      assert.deepStrictEqual(yield* Effect.filter(processes, isAlive), [])
    })
  )

  it.live("leave nothing if their start is interrupted", () =>
    Effect.gen(function* () {
      const name = `cut-${process.pid}`
      const dir = join(yield* clustersDir, name)
      const fiber = yield* Effect.forkChild(Effect.scoped(cluster({ nodes: 2, name })))
      const machine = Effect.sync(() => existsSync(join(dir, "node-1/ready")))
      yield* pollUntil(machine, within(120_000, "the first machine"))
      const { index } = yield* load(dir)
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(yield* traces(dir, index), nothing)
    })
  )

  it.live("remove the swarm of a killed owner at their start, and keep that of a living owner", () =>
    Effect.gen(function* () {
      const name = `killed-${process.pid}`
      const dir = join(yield* clustersDir, name)
      const living = yield* cluster({ nodes: 1 })
      yield* swarm(["up", "--name", name], () => existsSync(join(dir, "node-1/run/docker.sock")), exitSweepOf)
      const { index } = yield* load(dir)
      const left = yield* traces(dir, index)
      assert.isAbove(left.processes.length, 0)
      assert.isAbove(left.links.length, 0)

      const down = yield* swarm(["down", "--name", `none-${process.pid}`])
      assert.include(down.stdout, name)
      assert.deepStrictEqual(yield* traces(dir, index), nothing)
      assert.strictEqual(yield* living.manager.exec(["hostname"]), "node-1\n")
      assert.strictEqual((yield* get(living.manager.socket, "/nodes", Nodes)).length, 1)
    })
  )

  it.live("remove themselves when their owner is killed", () =>
    Effect.gen(function* () {
      const name = `alone-${process.pid}`
      const dir = join(yield* clustersDir, name)
      let index = -1
      yield* swarm(["up", "--name", name], () => {
        if (!existsSync(join(dir, "node-1/run/docker.sock"))) return false
        index = Number(/"index": (\d+)/.exec(readFileSync(join(dir, "state.json"), "utf8"))?.[1] ?? -1)
        return true
      })
      assert.isAtLeast(index, 0)
      yield* pollUntil(
        Effect.sync(() => !existsSync(dir)),
        within(120_000, "the end of the swarm")
      )
      assert.deepStrictEqual(yield* traces(dir, index), nothing)
    })
  )

  it.live("are started, listed, described and removed by npm run swarm", () =>
    Effect.gen(function* () {
      const name = `cli-${process.pid}`
      const dir = join(yield* clustersDir, name)
      const named = ["--name", name]
      yield* Effect.addFinalizer(() => swarm(["down", ...named]))
      const up = yield* swarm(["up", "--nodes", "1", ...named])
      assert.strictEqual(up.code, 0, up.stderr)
      const { index } = yield* load(dir)

      const again = yield* swarm(["up", ...named])
      assert.strictEqual(again.code, 1)
      assert.match(again.stderr, /is up already/)

      const status = yield* swarm(["status", ...named])
      const table = status.stdout
        .trimEnd()
        .split("\n")
        .map((line) => line.split(/ {2,}/).slice(0, 4).join(" "))
      assert.deepStrictEqual(table, ["NODE ROLE STATE ADDRESS", `node-1 leader ready 10.213.${index}.11`])

      const env = yield* swarm(["env", ...named])
      assert.deepStrictEqual(env.stdout.trimEnd().split("\n"), [
        `export DOCKER_HOST=unix://${dir}/node-1/run/docker.sock`,
        `export TASK_EXEC_IMAGE=10.213.${index}.1:5000/task-exec:dev`,
        `export TASK_EXEC_CLUSTER=${dir}`,
        `export NODE_1_DOCKER_HOST=unix://${dir}/node-1/run/docker.sock`
      ])

      const down = yield* swarm(["down", ...named])
      assert.include(down.stdout, name)
      assert.deepStrictEqual(yield* traces(dir, index), nothing)

      const gone = yield* swarm(["status", ...named])
      assert.strictEqual(gone.code, 1)
      assert.match(gone.stderr, /no swarm in .*: start one with/)
      assert.strictEqual((yield* swarm(["up", "--managers", "4"])).code, 2)
    })
  )

  it.live("are reported in one line if npm run swarm cannot start them", () =>
    Effect.gen(function* () {
      const refused = yield* Effect.flip(
        run("unshare", ["--user", "--map-root-user", process.execPath, mainFile, "up"])
      )
      assert.strictEqual(refused.exitCode, 1)
      assert.match(refused.detail, /^the embedded swarm can't run here: [^\n]+\n$/)
    })
  )
})
