import { spawn } from "node:child_process"
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { basename, join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import type { ClusterOptions } from "./Assembly.ts"
import { clustersDir, load } from "./ClusterState.ts"
import { Nodes, reaches, within } from "./ClusterTests.ts"
import { run } from "./Command.ts"
import { get, request } from "./EngineApi.ts"
import { pollUntil } from "./Poll.ts"
import { isAlive, refOf } from "./Processes.ts"
import { createService, service, waitRunning } from "./Services.ts"
import { SwarmCluster, type SwarmClusterShape } from "./SwarmCluster.ts"

const mainFile = join(import.meta.dirname, "./main.ts")

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
          const [left] = yield* waitRunning(one.manager.socket, "left", 1)
          yield* request(one.manager.socket, "POST", `/containers/${left?.containerId}/pause`)
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
