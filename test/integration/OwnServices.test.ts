/** Containers of task-exec itself are no targets, because agents and helpers have the engine's socket, and a helper has its request. */
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { get } from "../cluster/EngineApi.ts"
import { service, waitRunning } from "../cluster/Services.ts"
import { type ClusterNode, SwarmCluster } from "../cluster/SwarmCluster.ts"
import { Agents, checkLeftoversMeanwhile, swarmExec, taskExec, Web } from "./Harness.ts"

checkLeftoversMeanwhile()

const failed = 125
const Containers = Schema.Array(
  Schema.Struct({
    Id: Schema.String,
    Names: Schema.Array(Schema.String),
    Labels: Schema.Record(Schema.String, Schema.String)
  })
)

/** The containers of a node with this label. */
const labelled = (node: ClusterNode, label: string) =>
  get(node.socket, "/containers/json", Containers, { query: { filters: JSON.stringify({ label: [label] }) } })

const refusal = (role: string) =>
  new RegExp(
    `^(?:task-exec|task-exec cp|swarm-exec exec): cannot run a command or copy files in \\S+(?: on node node-\\d)?: it is an? ${role} of task-exec\\. `
  )

const refuses = Effect.fnUntraced(function* (role: string, target: string) {
  const ways = {
    exec: yield* taskExec([target, "cat", "/etc/hostname"]),
    "a terminal": yield* taskExec(["-t", target, "cat", "/etc/hostname"]),
    cp: yield* taskExec(["cp", `${target}:/etc/hostname`, "-"]),
    "cp to it": yield* taskExec(["cp", import.meta.filename, `${target}:/tmp/`]),
    "a fan-out": yield* taskExec([`${target},${target}`, "cat", "/etc/hostname"])
  }
  for (const [way, { code, stderr, stdout }] of Object.entries(ways)) {
    assert.deepStrictEqual([code, stdout.toString()], [failed, ""], `${way} of ${target}: ${stderr}`)
    assert.match(stderr, refusal(role), `${way} of ${target}`)
  }
})

/** The tasks of a fan-out and their results. */
const tasksOf = Effect.fnUntraced(function* (flags: ReadonlyArray<string>) {
  const { code, stdout } = yield* taskExec([...flags, "--output", "json", "true"])
  const lines = stdout.toString().split("\n")
  return {
    code,
    tasks: lines.flatMap((line) => (line.includes('"event":"ended"') ? (/"task":"([^"]+)"/.exec(line)?.[1] ?? []) : []))
  }
})

layer(Agents.pipe(Layer.provideMerge(Web.layer("own", { labels: { "com.docker.stack.namespace": "mixed" } }))), {
  excludeTestServices: true,
  timeout: "240 seconds"
})("task-exec's own services", (it) => {
  it.effect("are no targets as agents, by any name", () =>
    Effect.gen(function* () {
      const web = yield* Web
      const node = web.nodeOf(web.remote)
      const [agent] = yield* labelled(node, "task-exec.agent")
      assert(agent !== undefined)
      const task = agent.Labels["com.docker.swarm.task.id"] ?? ""
      const name = agent.Names[0]?.slice(1) ?? ""
      const targets = [
        `task-exec-agent@${node.name}`,
        `service/task-exec-agent@${node.nodeId}`,
        task,
        `task/${task.slice(0, 12)}`,
        agent.Id,
        `container/${agent.Id.slice(0, 20)}`,
        name
      ]
      for (const target of targets) yield* refuses("agent", target)
    })
  )

  it.effect("are no targets as running helpers and relays", () =>
    Effect.gen(function* () {
      const web = yield* Web
      const { manager } = yield* SwarmCluster
      const up = yield* Latch.make()
      let end: ((name: NodeJS.Signals) => void) | undefined
      const running = yield* Effect.forkScoped(
        taskExec(["-i", "--via", "helper", web.target(web.remote), "sh", "-c", "read go; echo up; sleep 1000"], {
          // The answer arrives through the tunnel, so the relays exist.
          input: "go\n",
          keepsInput: true,
          onStart: (kill) => {
            end = kill
          },
          onOutput: (output) => output === "up\n" && Latch.openUnsafe(up)
        })
      )
      yield* up.await
      const [helper] = yield* labelled(web.nodeOf(web.remote), "task-exec.role=helper")
      assert(helper !== undefined)
      const [serviceName = ""] = helper.Names[0]?.slice(1).split(".") ?? []
      const task = helper.Labels["com.docker.swarm.task.id"] ?? ""
      for (const target of [serviceName, `${serviceName}.1`, task, helper.Id]) yield* refuses("helper", target)

      for (const node of [manager, web.nodeOf(web.remote)]) {
        const [relay] = yield* labelled(node, "task-exec.role=relay")
        assert(relay !== undefined, node.name)
        for (const name of [relay.Id, relay.Names[0]?.slice(1) ?? ""]) {
          const { code, stderr, stdout } = yield* swarmExec(["exec", name, "cat", "/etc/hostname"], {
            env: { DOCKER_HOST: node.dockerHost }
          })
          assert.deepStrictEqual([code, stdout.toString()], [failed, ""])
          assert.match(stderr, refusal("relay"))
        }
      }
      end?.("SIGTERM")
      assert.strictEqual((yield* Fiber.join(running)).code, 143)
    }).pipe(Effect.scoped)
  )

  it.effect("are no targets on a worker either, which does not know services", () =>
    Effect.gen(function* () {
      const web = yield* Web
      const node = web.nodeOf(web.remote)
      const [agent] = yield* labelled(node, "task-exec.agent")
      const { code, stderr, stdout } = yield* swarmExec(["exec", agent?.Id ?? "", "cat", "/etc/hostname"], {
        env: { DOCKER_HOST: node.dockerHost }
      })
      assert.deepStrictEqual([code, stdout.toString()], [failed, ""])
      assert.match(stderr, refusal("agent"))
    })
  )

  it.effect("are skipped by selections, by the label of the service or the container", () =>
    Effect.gen(function* () {
      const web = yield* Web
      const { image, manager } = yield* SwarmCluster
      const node = web.nodeOf(web.remote)
      const stack = { "com.docker.stack.namespace": "mixed" }
      const own = { "task-exec.agent": "0.0.1" }
      yield* service(manager.socket, { name: "by-service", image, node: node.name, labels: { ...stack, ...own } })
      yield* service(manager.socket, {
        name: "by-container",
        image,
        node: node.name,
        labels: stack,
        containerSpec: { Labels: { "task-exec.role": "helper" } }
      })
      yield* waitRunning(manager.socket, "by-service", 1)
      const [task] = yield* waitRunning(manager.socket, "by-container", 1)

      const mine = web.tasks.filter(({ nodeId }) => nodeId === node.nodeId).map(web.target)
      const all = web.tasks.map(web.target)
      assert.deepStrictEqual(yield* tasksOf(["--node", node.name]), { code: 0, tasks: mine })
      const ofStack = yield* tasksOf(["--stack", "mixed"])
      assert.deepStrictEqual({ ...ofStack, tasks: ofStack.tasks.toSorted() }, { code: 0, tasks: all })
      yield* refuses("agent", "by-service")
      yield* refuses("helper", "by-container")
      yield* refuses("helper", task?.containerId ?? "")
      for (const name of ["task-exec-agent", "by-service"]) {
        const { code, stderr, stdout } = yield* taskExec(["--all", name, "hostname"])
        assert.deepStrictEqual([code, stdout.toString()], [failed, ""])
        assert.match(
          stderr,
          new RegExp(
            `^task-exec: cannot run a command or copy files in service ${name}: it is an agent of task-exec\\. `
          )
        )
      }
      const { code, stderr } = yield* taskExec(["--all", "by-container", "hostname"])
      assert.strictEqual(code, failed)
      assert.match(stderr, /^task-exec: no task selected: /)
    }).pipe(Effect.scoped)
  )
})
