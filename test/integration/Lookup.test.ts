import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { Swarm } from "../../src/engine/Swarm.ts"
import { lookupTask } from "../../src/target/Lookup.ts"
import { parseTarget } from "../../src/target/Target.ts"
import { get } from "../cluster/EngineApi.ts"
import { poll } from "../cluster/Poll.ts"
import { createService, execIn, removeService, type ServiceOptions, service, waitRunning } from "../cluster/Services.ts"
import { SwarmCluster } from "../cluster/SwarmCluster.ts"
import { checkLeftoversMeanwhile, taskExec, Web } from "./Harness.ts"

checkLeftoversMeanwhile()

const find = (text: string) =>
  Effect.gen(function* () {
    const { manager } = yield* SwarmCluster
    const target = Result.getOrThrow(parseTarget(text))
    return yield* lookupTask(target).pipe(Effect.provide(Swarm.layerFor({ _tag: "Unix", path: manager.socket })))
  })

const Tasks = Schema.Array(Schema.Struct({ ID: Schema.String, Status: Schema.Struct({ State: Schema.String }) }))

/** A service whose only task reaches this state and stays in it. */
const serviceIn = Effect.fnUntraced(function* (
  state: string,
  options: Omit<ServiceOptions, "image"> & { image?: string }
) {
  const { image, manager } = yield* SwarmCluster
  yield* Effect.acquireRelease(createService(manager.socket, { image, ...options }), (id) =>
    Effect.orDie(removeService(manager.socket, id))
  )
  const filters = JSON.stringify({ service: { [options.name]: true } })
  const inState = get(manager.socket, "/tasks", Tasks, { query: { filters } }).pipe(
    Effect.map((tasks) => (tasks[0]?.Status.State === state ? Option.some(tasks[0].ID) : Option.none()))
  )
  return yield* poll(inState, {
    every: 50,
    atMost: 120_000,
    orElse: Effect.flatMap(get(manager.socket, "/tasks", Tasks, { query: { filters } }), (tasks) =>
      Effect.die(new Error(`never ${state}: ${JSON.stringify(tasks)}`))
    )
  })
})

layer(Web.layer("lookup"), { excludeTestServices: true, timeout: "180 seconds" })("lookup", (it) => {
  it.effect("finds one task by every form of its target", () =>
    Effect.gen(function* () {
      const web = yield* Web
      const { containerId, id, slot } = web.remote
      const node = web.nodeOf(web.remote)
      const forms = [
        `lookup.${slot}`,
        `service/lookup.${slot}`,
        `lookup@${node.name}`,
        `lookup@${node.nodeId}`,
        `lookup@${node.nodeId.slice(0, 10)}`,
        `lookup.${slot}@${node.name}`,
        id,
        id.slice(0, 12),
        `task/${id}`,
        containerId,
        containerId.slice(0, 12),
        `container/${containerId.slice(0, 12)}`,
        `lookup.${slot}.${id}`
      ]
      for (const form of forms) {
        const task = yield* find(form)
        assert.deepStrictEqual(
          [task.id, task.name, task.slot, task.container, task.node.id, task.node.hostname, task.service.name],
          [id, `lookup.${slot}`, slot, containerId, node.nodeId, node.name, "lookup"],
          form
        )
      }
    })
  )

  it.effect("names the candidates if a service has several tasks", () =>
    Effect.gen(function* () {
      const web = yield* Web
      const error = yield* Effect.flip(find("lookup"))
      assert(error._tag === "TaskAmbiguous")
      assert.deepStrictEqual(
        error.candidates.map(({ id, name, node, state }) => [id, name, node, state]),
        web.tasks.map((task) => [task.id, `lookup.${task.slot}`, web.nodeOf(task).name, "running"])
      )
      const { code, stderr } = yield* taskExec(["lookup", "true"])
      assert.strictEqual(code, 125)
      assert.match(stderr, /^task-exec: "lookup" matches 3 tasks: lookup\.1 on node-\d \([a-z0-9]{25}\), .*\n$/)
    })
  )

  it.effect("suggests a verb for an unknown target that is like one", () =>
    Effect.gen(function* () {
      const { code, stderr } = yield* taskExec(["docter", "true"])
      assert.strictEqual(code, 125)
      assert.match(stderr, /^task-exec: no task matches "docter": .*\nDid you mean 'task-exec doctor'\?\n$/)
    })
  )

  it.effect("names what does not exist, and what does", () =>
    Effect.gen(function* () {
      const missing = {
        "no-such-thing": /no service has this name/,
        "lookup.9": /no slot 9 \(it has slots 1, 2, 3\)/,
        "lookup@node-9": /node node-9 does not exist \(nodes: /,
        "lookup.zzzzzzzzzzzzzzzzzzzzzzzzz":
          /z is neither a slot of service lookup nor a node ID \(it has slots 1, 2, 3\)/,
        "nobody.1": /service nobody does not exist/,
        "task/zzzzzzzz": /no task ID starts with zzzzzzzz/,
        "container/0123456789ab": /no task of the swarm has this container/
      }
      for (const [target, reason] of Object.entries(missing)) {
        const error = yield* Effect.flip(find(target))
        assert.strictEqual(error._tag, "TaskNotFound", target)
        assert.match(error.message, reason, target)
      }
    })
  )

  it.effect("finds the only task of a service, and the task of a global service by its node", () =>
    Effect.gen(function* () {
      const { manager } = yield* SwarmCluster
      const id = yield* serviceIn("running", { name: "single" })
      assert.strictEqual((yield* find("single")).id, id)
      yield* serviceIn("running", { name: "everywhere", replicas: "global", node: manager.name })
      const task = yield* find(`everywhere@${manager.name}`)
      assert.deepStrictEqual([task.name, task.slot], [`everywhere@${manager.name}`, undefined])
      assert.strictEqual((yield* find("everywhere")).id, task.id)
    })
  )

  it.effect(
    "finds a task of a global service by its name in docker service ps, and lists the nodes for an unknown one",
    () =>
      Effect.gen(function* () {
        const { manager, nodes } = yield* SwarmCluster
        const name = "on-all"
        yield* service(manager.socket, { name, image: (yield* SwarmCluster).image, replicas: "global" })
        const tasks = yield* waitRunning(manager.socket, name, nodes.length)
        for (const { id, nodeId } of tasks) {
          const host = nodes.find((node) => node.nodeId === nodeId)?.name ?? ""
          const task = yield* find(`${name}.${nodeId}`)
          assert.deepStrictEqual([task.id, task.name], [id, `${name}@${host}`])
          const { code, stdout } = yield* taskExec([`${name}.${nodeId}`, "echo", "there"])
          assert.deepStrictEqual([code, stdout.toString()], [0, "there\n"])
        }
        const all = nodes.map((node) => node.name).join(", ")
        const notSlot = yield* Effect.flip(find(`${name}.2`))
        assert.include(notSlot.message, `service ${name} has no slot 2 (it is global, with tasks on ${all})`)
        const other = "x7u2gmggdhj85528r1nre2q2n"
        const notNode = yield* Effect.flip(find(`${name}.${other}`))
        assert.include(notNode.message, `${other} is neither a slot of service ${name} nor a node`)
        assert.include(notNode.message, all)
      }).pipe(Effect.scoped)
  )

  it.effect("finds tasks of jobs while they run, and says so after they have completed", () =>
    Effect.gen(function* () {
      const { image, manager, nodes } = yield* SwarmCluster
      const command = ["sh", "-c", "until [ -e /tmp/end ]; do sleep 0.1; done"]
      yield* service(manager.socket, { name: "job", image, command, job: true, replicas: 2 })
      yield* service(manager.socket, { name: "each", image, command, job: true, replicas: "global" })
      const tasks = yield* waitRunning(manager.socket, "job", 2)
      const each = yield* waitRunning(manager.socket, "each", nodes.length)
      for (const { id, nodeId, slot = 0 } of tasks) {
        assert.deepStrictEqual(
          [(yield* find(`job.${slot}`)).id, (yield* find(id)).name, (yield* find(id)).slot],
          [id, `job.${slot}`, slot]
        )
        // Docker names the task in slot 0 by its node.
        if (slot === 0) assert.strictEqual((yield* find(`job.${nodeId}`)).id, id)
      }
      for (const { id, nodeId } of each) assert.strictEqual((yield* find(`each.${nodeId}`)).id, id)
      assert.include((yield* Effect.flip(find("job.7"))).message, "job has no slot 7 (it has slots 0, 1)")
      // Other tasks of the swarm are found, too.
      assert.strictEqual((yield* taskExec(["lookup.1", "true"])).code, 0)
      for (const name of ["job", "each"]) {
        const { code, stderr } = yield* taskExec(["--all", name, "true"])
        assert.strictEqual(code, 0, stderr)
      }
      // Killed by their engines. With task-exec, the end of the container would also end the command.
      for (const { containerId, nodeId } of [...tasks, ...each]) {
        const { socket } = nodes.find((node) => node.nodeId === nodeId) ?? manager
        yield* execIn(socket, containerId, ["touch", "/tmp/end"])
      }

      for (const target of ["job.0", "job.1", `each@${manager.name}`]) {
        const error = yield* poll(
          Effect.map(Effect.flip(find(target)), (error) => Option.some(error)).pipe(
            Effect.orElseSucceed(() => Option.none())
          ),
          { every: 100, atMost: 120_000, orElse: Effect.die(`${target} still runs`) }
        )
        assert(error._tag === "TaskNotRunning", error.message)
        assert.deepStrictEqual([error.task.name, error.task.state], [target, "complete"])
      }
    }).pipe(Effect.scoped)
  )

  it.effect("prefers a service to an ID that begins with its name", () =>
    Effect.gen(function* () {
      const { remote } = yield* Web
      const name = remote.id.slice(0, 4)
      const id = yield* serviceIn("running", { name })
      assert.strictEqual((yield* find(name)).id, id)
      assert.strictEqual((yield* find(`task/${name}`)).id, remote.id)
    })
  )

  const states: Record<
    string,
    { readonly reason: RegExp; readonly options: Omit<ServiceOptions, "image" | "name"> & { image?: string } }
  > = {
    pending: {
      reason: /no suitable node|pending task scheduling/,
      options: { constraints: ["node.labels.nowhere==yes"] }
    },
    rejected: { reason: /No such image/, options: { image: "no-such-image:1", restart: "none" } },
    failed: { reason: /non-zero exit \(3\)/, options: { command: ["sh", "-c", "exit 3"], restart: "none" } },
    complete: { reason: /finished/, options: { command: ["true"], restart: "none" } },
    starting: {
      reason: /starting/,
      options: { containerSpec: { Healthcheck: { Test: ["CMD", "false"], Interval: 3_600_000_000_000 } } }
    }
  }
  for (const [state, { options, reason }] of Object.entries(states)) {
    it.effect(`a task that is ${state} is not running: the error has state and reason`, () =>
      Effect.gen(function* () {
        const id = yield* serviceIn(state, { name: `is-${state}`, ...options })
        for (const target of [`is-${state}`, `is-${state}.1`, id]) {
          const error = yield* Effect.flip(find(target))
          assert(error._tag === "TaskNotRunning", `${target}: ${error.message}`)
          assert.deepStrictEqual([error.task.id, error.task.name, error.task.state], [id, `is-${state}.1`, state])
          assert.match(error.message, reason)
        }
        const { code, stderr, stdout } = yield* taskExec([`is-${state}`, "true"])
        assert.deepStrictEqual([code, stdout.toString()], [125, ""])
        assert.match(stderr, new RegExp(`^task-exec: task is-${state}.1 .*is not running: ${state}.*\\n$`))
      })
    )
  }

  it.effect("says that a service is scaled to 0", () =>
    Effect.gen(function* () {
      const { image, manager } = yield* SwarmCluster
      yield* Effect.acquireRelease(createService(manager.socket, { name: "none", image, replicas: 0 }), (id) =>
        Effect.orDie(removeService(manager.socket, id))
      )
      const error = yield* Effect.flip(find("none"))
      assert.strictEqual(error._tag, "TaskNotFound")
      assert.match(error.message, /has no tasks \(is it scaled to 0\?\)/)
    })
  )
})
