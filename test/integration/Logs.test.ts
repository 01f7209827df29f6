/** `TaskExec.logs` and `task-exec logs`: the logs of tasks, from the engines of their nodes, on every route. */
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { type FleetEvent, type LogsRequest, type RunEvent, TaskExec } from "../../src/index.ts"
import { type ContainerLog, containerLog, logOf } from "../cluster/ContainerLog.ts"
import { request as ask, get } from "../cluster/EngineApi.ts"
import { pollUntil } from "../cluster/Poll.ts"
import { execIn, type ServiceOptions, service, waitRunning } from "../cluster/Services.ts"
import { type ClusterNode, SwarmCluster } from "../cluster/SwarmCluster.ts"
import { killCaller, untilNothingLeft } from "./Callers.ts"
import { Agents, checkLeftoversMeanwhile, saidOfSignal, taskExec, Web } from "./Harness.ts"
import { Library } from "./Sessions.ts"

checkLeftoversMeanwhile()

const eachStream = 10_000

/**
 * Writes the same number of lines to stdout and stderr, alternating, and then waits. The lines of stdout have 300 bytes: the log has three
 * times the bytes that a helper's log may have.
 */
const loud = `i=0; more=$(head -c 290 /dev/zero | tr '\\0' x); while [ $i -lt ${eachStream} ]; do i=$((i+1)); echo "out $i $more"; echo "err $i" >&2; done; echo done; echo done >&2; exec sleep 1000000`

/** Reads a log to its end with the library. */
const read = (request: LogsRequest) =>
  Effect.map(Stream.runCollect(TaskExec.logs(request)), (events: ReadonlyArray<RunEvent>) => {
    const pieces = events.flatMap((event) =>
      event._tag === "Stdout" || event._tag === "Stderr" ? [{ isError: event._tag === "Stderr", data: event.data }] : []
    )
    return { ...logOf(pieces), first: events[0], last: events.at(-1) }
  })

const same = (found: ContainerLog, wanted: ContainerLog) => {
  for (const name of ["stdout", "stderr", "all"] as const) {
    assert.isTrue(found[name].equals(wanted[name]), `${name}: ${found[name].length} of ${wanted[name].length} bytes`)
  }
}

/** A service with one task on a node, and its container. */
const placed = Effect.fnUntraced(function* (node: ClusterNode, options: Omit<ServiceOptions, "image" | "node">) {
  const { manager, registry } = yield* SwarmCluster
  yield* service(manager.socket, { image: `${registry}/busybox:1`, node: node.name, ...options })
  const [task] = yield* waitRunning(manager.socket, options.name, 1)
  if (task === undefined) return yield* Effect.die("the service has no task")
  return task
})

const otherNode = Effect.map(SwarmCluster, ({ manager, nodes }) => nodes.find((node) => node !== manager) ?? manager)

/** More lines than the engine reads from one pipe while the last lines of another one wait: a pipe holds 64 KiB. */
const lastLines = "10000"

/** Waits until the engine has the last lines of both streams, which it reads independently of each other. */
const untilDone = (node: ClusterNode, container: string) =>
  pollUntil(
    Effect.map(containerLog(node.socket, container, { tail: lastLines }), ({ stderr, stdout }) =>
      [stderr, stdout].every((bytes) => bytes.includes("done\n"))
    ),
    { every: 250, atMost: 120_000, orElse: Effect.die("the log is not complete") }
  )

const Tasks = Schema.Array(
  Schema.Struct({
    ID: Schema.String,
    NodeID: Schema.optionalKey(Schema.String),
    Status: Schema.Struct({ State: Schema.String })
  })
)

const tasksOf = (manager: ClusterNode, name: string) =>
  get(manager.socket, "/tasks", Tasks, { query: { filters: JSON.stringify({ service: { [name]: true } }) } })

const Updatable = Schema.Struct({
  Version: Schema.Struct({ Index: Schema.Int }),
  Spec: Schema.StructWithRest(Schema.Struct({ TaskTemplate: Schema.Record(Schema.String, Schema.Unknown) }), [
    Schema.Record(Schema.String, Schema.Unknown)
  ])
})

/** Moves the tasks of a service to another node. */
const moveTo = Effect.fnUntraced(function* (manager: ClusterNode, name: string, node: ClusterNode) {
  const { Spec, Version } = yield* get(manager.socket, `/services/${name}`, Updatable)
  const Placement = { Constraints: [`node.hostname==${node.name}`] }
  yield* ask(manager.socket, "POST", `/services/${name}/update`, {
    query: { version: String(Version.Index) },
    body: { ...Spec, TaskTemplate: { ...Spec.TaskTemplate, Placement } }
  })
})

const decodeLine = Schema.decodeSync(
  Schema.fromJsonString(
    Schema.Struct({
      event: Schema.optionalKey(Schema.String),
      time: Schema.optionalKey(Schema.String),
      task: Schema.optionalKey(Schema.String),
      node: Schema.optionalKey(Schema.String),
      id: Schema.optionalKey(Schema.String),
      data: Schema.optionalKey(Schema.String)
    })
  )
)

const options = { excludeTestServices: true, timeout: "180 seconds" } as const

layer(Library.pipe(Layer.provideMerge(Agents)), options)("the log of one task", (it) => {
  it.effect("is complete and in order, with both streams, on every route; a slow consumer gets all of it", () =>
    Effect.gen(function* () {
      const { manager } = yield* SwarmCluster
      const other = yield* otherNode
      const tasks = yield* Effect.all(
        [
          placed(manager, { name: "here", command: ["sh", "-c", loud] }),
          placed(other, { name: "there", command: ["sh", "-c", loud] })
        ],
        { concurrency: 2 }
      )
      yield* untilDone(manager, tasks[0].containerId)
      yield* untilDone(other, tasks[1].containerId)
      const wanted = yield* Effect.all([
        containerLog(manager.socket, tasks[0].containerId),
        containerLog(other.socket, tasks[1].containerId)
      ])
      for (const { all } of wanted) assert.strictEqual(all.toString().split("\n").length, 2 * eachStream + 3)

      const here = yield* read({ target: "here" })
      assert(here.first?._tag === "Resolved")
      assert.deepStrictEqual([here.first.route, here.last], ["local", { _tag: "Exited", code: 0 }])
      same(here, wanted[0])
      for (const via of ["helper", "agent"] as const) {
        const there = yield* read({ target: "there", via })
        assert(there.first?._tag === "Resolved")
        assert.deepStrictEqual([there.first.route, there.last], [via, { _tag: "Exited", code: 0 }])
        same(there, wanted[1])
      }

      let bytes = 0
      yield* TaskExec.logs({ target: "there", via: "agent" }).pipe(
        Stream.runForEach((event) => {
          if (event._tag !== "Stdout" && event._tag !== "Stderr") return Effect.void
          bytes += event.data.length
          return bytes % 7 === 0 ? Effect.sleep(20) : Effect.void
        })
      )
      assert.strictEqual(bytes, wanted[1].all.length)

      // By time: the lines around one from the middle.
      const stamped = yield* containerLog(other.socket, tasks[1].containerId, { timestamps: "1" })
      const lines = stamped.all.toString().split("\n")
      const [since = "", until = ""] = [eachStream, eachStream + 500].map((at) => lines[at]?.split(" ")[0] ?? "")
      const [from, to] = [since, until].map((time) => `${(Date.parse(time) / 1000) | 0}.${time.slice(20, 29)}`)
      for (const [lines, query] of [
        [{ tail: 10 }, { tail: "10" }],
        [{ tail: 0 }, { tail: "0" }],
        [
          { tail: 10, timestamps: true },
          { tail: "10", timestamps: "1" }
        ],
        [
          { since, until, timestamps: true },
          { since: from ?? "", until: to ?? "", timestamps: "1" }
        ],
        [{ since: `${Date.now() / 1000 + 3600}` }, { tail: "0" }]
      ] as const) {
        const [found, wanted] = yield* Effect.all(
          [read({ target: "there", via: "agent", ...lines }), containerLog(other.socket, tasks[1].containerId, query)],
          { concurrency: 2 }
        )
        same(found, wanted)
        if ("until" in lines) assert.isAtLeast(wanted.all.toString().split("\n").length, 500)
      }
    }).pipe(Effect.scoped)
  )

  it.effect("of a TTY is one stream, with the bytes of the terminal", () =>
    Effect.gen(function* () {
      const other = yield* otherNode
      const script = "echo out; echo err >&2; printf '\\033[1mbold\\033[0m\\n'; exec sleep 1000000"
      const { containerId } = yield* placed(other, { name: "tty", tty: true, command: ["sh", "-c", script] })
      const raw = ask(other.socket, "GET", `/containers/${containerId}/logs`, { query: { stdout: "1", stderr: "1" } })
      yield* pollUntil(
        Effect.map(raw, (bytes) => bytes.includes("bold")),
        { every: 100, atMost: 60_000, orElse: Effect.die("no output") }
      )
      const { all, stderr } = yield* read({ target: "tty" })
      assert.deepStrictEqual([all.toString(), stderr.length], ["out\r\nerr\r\n\u001b[1mbold\u001b[0m\r\n", 0])
    }).pipe(Effect.scoped)
  )

  it.effect("is followed as it is written until the container or the given time ends", () =>
    Effect.gen(function* () {
      const { manager } = yield* SwarmCluster
      const other = yield* otherNode
      const script = "echo ready; while [ ! -e /tmp/go ]; do sleep 0.1; done; echo last words >&2; exit 3"
      const { containerId } = yield* placed(other, { name: "ending", restart: "none", command: ["sh", "-c", script] })
      const ready = Latch.makeUnsafe(false)
      const follow = TaskExec.logs({ target: "ending", follow: true }).pipe(
        Stream.tap((event) => (event._tag === "Stdout" ? ready.open : Effect.void)),
        Stream.runCollect
      )
      const until = yield* read({ target: "ending", follow: true, until: `${Date.now() / 1000 + 3}` })
      assert.deepStrictEqual([until.all.toString(), until.last?._tag], ["ready\n", "Exited"])
      const following = yield* Effect.forkChild(follow)
      yield* ready.await
      yield* execIn(other.socket, containerId, ["touch", "/tmp/go"])
      const events = yield* Fiber.join(following)
      const said = events.flatMap((event) =>
        event._tag === "Stdout" || event._tag === "Stderr" ? Buffer.from(event.data).toString() : event._tag
      )
      assert.deepStrictEqual(said, ["Resolved", "Started", "ready\n", "last words\n", "Exited"])

      // Its log is still readable, by the service, the slot, the task and the container.
      const [ended] = yield* tasksOf(manager, "ending")
      yield* pollUntil(
        Effect.map(tasksOf(manager, "ending"), ([task]) => task?.Status.State === "failed"),
        { every: 100, atMost: 60_000, orElse: Effect.die("the task does not end") }
      )
      for (const target of ["ending", "ending.1", `${ended?.ID}`, containerId.slice(0, 12)]) {
        const { last, stderr, stdout } = yield* read({ target })
        assert.deepStrictEqual(
          [target, stdout.toString(), stderr.toString(), last],
          [target, "ready\n", "last words\n", { _tag: "Exited", code: 0 }]
        )
      }
    }).pipe(Effect.scoped)
  )

  it.effect("that the engine can't read is a typed error with a next step", () =>
    Effect.gen(function* () {
      yield* placed(yield* otherNode, { name: "unlogged", logDriver: "none" })
      const error = yield* Effect.flip(read({ target: "unlogged" }))
      assert(error._tag === "LogUnreadable")
      assert.deepStrictEqual([error.reason, error.driver], ["Driver", "none"])
    }).pipe(Effect.scoped)
  )

  it.effect("needs the word logs in the policy label, also by an agent", () =>
    Effect.gen(function* () {
      const other = yield* otherNode
      for (const [name, allow, expected] of [
        ["closed", "ps", "PolicyDenied"],
        ["opened", "logs", undefined]
      ] as const) {
        yield* placed(other, { name, labels: { "task-exec.allow": allow } })
        for (const via of ["helper", "agent"] as const) {
          const error = yield* read({ target: name, via }).pipe(
            Effect.as(undefined),
            Effect.catch((error) => Effect.succeed(error._tag))
          )
          assert.deepStrictEqual([name, via, error], [name, via, expected])
        }
      }
    }).pipe(Effect.scoped)
  )
})

layer(Library.pipe(Layer.provideMerge(SwarmCluster.layerShared)), options)("the logs of many tasks", (it) => {
  const textOf = (events: ReadonlyArray<FleetEvent>, name: string) =>
    events
      .flatMap((event) =>
        event._tag === "Stdout" && event.task.name.startsWith(name) ? [Buffer.from(event.data).toString()] : []
      )
      .join("")

  it.effect("come from each node, also those of tasks that have ended", () =>
    Effect.gen(function* () {
      const { manager, registry } = yield* SwarmCluster
      const image = `${registry}/busybox:1`
      const command = ["sh", "-c", "echo I am $SLOT; [ $SLOT != 2 ] || exit 1; exec sleep 1000000"]
      yield* service(manager.socket, {
        name: "many",
        image,
        replicas: 3,
        restart: "none",
        command,
        env: ["SLOT={{.Task.Slot}}"]
      })
      yield* pollUntil(
        Effect.map(
          tasksOf(manager, "many"),
          (tasks) =>
            tasks.filter(({ Status }) => Status.State === "running").length === 2 &&
            tasks.some(({ Status }) => Status.State === "failed")
        ),
        { every: 100, atMost: 120_000, orElse: Effect.die("the service does not run") }
      )
      const events = yield* Stream.runCollect(TaskExec.logsAll({ selection: { services: ["many"] } }))
      for (const slot of [1, 2, 3]) assert.strictEqual(textOf(events, `many.${slot}`), `I am ${slot}\n`)
      const failed = { services: ["many"], filters: [{ _tag: "State", state: "failed" } as const] }
      const [chosen] = yield* Stream.runCollect(TaskExec.logsAll({ selection: failed }))
      assert(chosen?._tag === "Chosen")
      assert.deepStrictEqual(
        chosen.tasks.map(({ name }) => name),
        ["many.2"]
      )
    }).pipe(Effect.scoped)
  )

  it.effect("are followed to the replacement of a task on another node, also one that crashes at once", () =>
    Effect.gen(function* () {
      const { manager, nodes } = yield* SwarmCluster
      const other = yield* otherNode
      const third = nodes.find((node) => node !== manager && node !== other) ?? manager
      const script = "echo on $NODE; [ $NODE != $FATAL ] || exit 7; exec sleep 1000000"
      yield* placed(other, {
        name: "moving",
        restartDelay: 500,
        command: ["sh", "-c", script],
        env: ["NODE={{.Node.Hostname}}", `FATAL=${third.name}`]
      })
      const seen: Array<string> = []
      const moved = Latch.makeUnsafe(false)
      const crashed = Latch.makeUnsafe(false)
      const selection = { targets: ["moving"] }
      const following = yield* TaskExec.logsAll({ selection, follow: true, tail: 1, followUpdates: true }).pipe(
        Stream.runForEach((event) => {
          if (event._tag === "Stdout") seen.push(Buffer.from(event.data).toString().trim())
          if (event._tag === "Replaced") seen.push(`${event.task.node.hostname} -> ${event.by.node.hostname}`)
          if (seen.length === 1) return moved.open
          return seen.length >= 7 ? crashed.open : Effect.void
        }),
        Effect.forkChild
      )
      yield* moved.await
      yield* moveTo(manager, "moving", third)
      yield* crashed.await
      yield* Fiber.interrupt(following)
      // The logs of all crashed tasks are read.
      assert.deepStrictEqual(seen.slice(0, 7), [
        `on ${other.name}`,
        `${other.name} -> ${third.name}`,
        `on ${third.name}`,
        `${third.name} -> ${third.name}`,
        `on ${third.name}`,
        `${third.name} -> ${third.name}`,
        `on ${third.name}`
      ])
    }).pipe(Effect.scoped)
  )

  it.effect("that are followed end when Swarm starts no replacement", () =>
    Effect.gen(function* () {
      yield* placed(yield* otherNode, { name: "once", restart: "none", command: ["sh", "-c", "echo once; sleep 2"] })
      const selection = { targets: ["once.1"] }
      const events = yield* Stream.runCollect(TaskExec.logsAll({ selection, follow: true, followUpdates: true }))
      assert.strictEqual(textOf(events, "once"), "once\n")
      const last = events.at(-1)
      assert(last?._tag === "Finished")
      assert.deepStrictEqual(
        last.results.map(({ result }) => result),
        [{ _tag: "Exited", code: 0 }]
      )
    }).pipe(Effect.scoped)
  )
})

layer(
  Web.layer("printed", {
    command: ["sh", "-c", "echo out; echo err >&2; i=0; while sleep 0.2; do i=$((i+1)); echo tick $i; done"]
  }),
  options
)("task-exec logs", (it) => {
  it.effect("prints the engine's log with stdout and stderr apart, or as JSON lines with times", () =>
    Effect.gen(function* () {
      const web = yield* Web
      const { socket } = web.nodeOf(web.remote)
      yield* pollUntil(
        Effect.map(containerLog(socket, web.remote.containerId), ({ stdout }) => stdout.includes("tick 5\n")),
        { every: 100, atMost: 60_000, orElse: Effect.die("no output") }
      )
      const stamped = yield* containerLog(socket, web.remote.containerId, { timestamps: "1" })
      const lines = stamped.all.toString().split("\n")
      const times = ["err", "tick 5"].map(
        (text) => lines.find((line) => line.endsWith(` ${text}`))?.split(" ")[0] ?? ""
      )
      const range = ["--since", times[0] ?? "", "--until", times[1] ?? ""]
      const target = web.target(web.remote)
      const plain = yield* taskExec(["logs", ...range, "-t", target])
      const isIn = (line: string) =>
        line !== "" && line.slice(0, 30) >= (times[0] ?? "") && line.slice(0, 30) <= (times[1] ?? "")
      const textOf = (bytes: Buffer) =>
        bytes
          .toString()
          .split("\n")
          .filter(isIn)
          .map((line) => `${line}\n`)
          .join("")
      assert.deepStrictEqual(
        [plain.code, plain.stdout.toString(), plain.stderr],
        [0, textOf(stamped.stdout), textOf(stamped.stderr)]
      )
      const json = yield* taskExec(["logs", ...range, "--output", "json", target])
      const objects = json.stdout
        .toString()
        .trim()
        .split("\n")
        .map((line) => decodeLine(line))
      const written = objects.filter(({ event }) => event === "stdout" || event === "stderr")
      assert.deepStrictEqual(
        written.map(({ data, time }) => `${time} ${data}\n`).sort(),
        `${plain.stdout}${plain.stderr}`
          .split("\n")
          .filter((line) => line !== "")
          .map((line) => `${line}\n`)
          .sort()
      )
      assert.deepStrictEqual(
        new Set(written.map(({ node, task }) => `${task} ${node}`)),
        new Set([`${target} ${web.nodeOf(web.remote).name}`])
      )
      assert.deepStrictEqual(objects.at(-1)?.event, "finished")
    })
  )

  it.effect("puts the task before each line of many tasks, and lists them as JSON", () =>
    Effect.gen(function* () {
      const web = yield* Web
      const { code, stderr, stdout } = yield* taskExec(["logs", "--all", web.name, "--tail", "3"])
      assert.deepStrictEqual([code, stderr.split("\n").filter((line) => !/┃ err$/.test(line))], [0, [""]])
      for (const task of web.tasks) {
        const { slot } = task
        const node = web.nodeOf(task).name
        assert.match(stdout.toString(), new RegExp(`^${web.name}.${slot}@${node} │ tick \\d+$`, "m"))
      }
      const list = yield* taskExec(["logs", "--all", "--list", "--output", "json", web.name])
      assert.deepStrictEqual(
        list.stdout
          .toString()
          .trim()
          .split("\n")
          .map((line) => decodeLine(line).id),
        web.tasks.map(({ id }) => id)
      )
    })
  )

  for (const pick of ["local", "remote"] as const) {
    it.effect(`${pick}: Ctrl-C ends a followed log with 130 and without a complaint`, () =>
      Effect.gen(function* () {
        const web = yield* Web
        let kills = 0
        const { code, stderr } = yield* taskExec(["logs", "-f", "-n", "0", web.target(web[pick])], {
          onOutput: (output, kill) => {
            if (output.includes("tick") && kills++ === 0) kill("SIGINT")
          }
        })
        assert.strictEqual(code, 130)
        assert.match(stderr, saidOfSignal)
      })
    )
  }

  it.effect("kill -9 of a caller that follows leaves nothing", () =>
    Effect.gen(function* () {
      const web = yield* Web
      const isUnderWay = (output: string) => output.includes("tick")
      yield* killCaller("task-exec.cjs", ["logs", "-f", web.target(web.remote)], { name: "logs", isUnderWay })
      yield* untilNothingLeft
    })
  )
})
