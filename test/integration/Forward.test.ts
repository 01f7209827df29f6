/** `task-exec port-forward` and `TaskExec.forward`: ports of tasks, on every route. */
import { createHash, randomBytes } from "node:crypto"
import { createServer } from "node:net"
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { mostConnections } from "../../src/forward/ForwardProtocol.ts"
import { ForwardingEnded, PortUnreachable, TaskExec } from "../../src/index.ts"
import { connect } from "../../src/promise.ts"
import { request } from "../cluster/EngineApi.ts"
import { engineProxy } from "../cluster/EngineProxy.ts"
import { pollUntil } from "../cluster/Poll.ts"
import { waitRunning } from "../cluster/Services.ts"
import { SwarmCluster } from "../cluster/SwarmCluster.ts"
import { killCaller, untilNothingLeft } from "./Callers.ts"
import { type Broken, dial, exchange, http, interrupt, portForward, readToEnd } from "./Forwards.ts"
import { Agents, checkLeftoversMeanwhile, checksDone, program, saidOfSignal, sha256, taskExec } from "./Harness.ts"
import { postgres, psql } from "./Postgres.ts"
import { Library } from "./Sessions.ts"
import { ports, taskServer } from "./TaskServer.ts"

checkLeftoversMeanwhile()

/** Creates the server on another node than the manager, or on the manager. */
const server = Effect.fnUntraced(function* (name: string, options: { readonly isLocal?: boolean } = {}) {
  const { manager, nodes } = yield* SwarmCluster
  const other = nodes.find((node) => node.nodeId !== manager.nodeId)
  if (other === undefined) return yield* Effect.die("there is one node only")
  const node = options.isLocal === true ? manager : other
  return { ...(yield* taskServer({ name, node: node.name })), node }
})

/** Bytes that are not text. */
const bytes = (length: number): Buffer => Buffer.from(Array.from({ length }, (_, at) => (at * 7 + (at >> 9)) & 0xff))

/** One line per number: its MD5. */
const hashes = (count: number): string =>
  Array.from(
    { length: count },
    (_, at) =>
      `${createHash("md5")
        .update(String(at + 1))
        .digest("hex")}\n`
  ).join("")

const routes = {
  "local route": { isLocal: true, flags: [] },
  "helper on another node": { isLocal: false, flags: [] },
  "agent on another node": { isLocal: false, flags: ["--via", "agent"] }
} as const

for (const [name, { flags, isLocal }] of Object.entries(routes)) {
  const swarm = flags.length === 0 ? SwarmCluster.layerShared : Agents
  layer(swarm, { excludeTestServices: true, timeout: "180 seconds" })(`port-forward: ${name}`, (it) => {
    it.effect(
      "serves HTTP, megabytes, half-closed connections and every address, reports refused ports, and ends with 0 at Ctrl-C",
      () =>
        Effect.gen(function* () {
          const { node } = yield* server("served", { isLocal })
          const wanted = [ports.http, ports.late, ports.early, ports.outside, ports.six, ports.nobody]
          const words = [...flags, "served", ...wanted.map((port) => `0:${port}`)]
          const forwarded = yield* portForward(words)
          const [web = 0, late = 0, early = 0, outside = 0, six = 0, nobody = 0] = forwarded.ports
          assert.deepStrictEqual(
            forwarded.lines,
            wanted.map(
              (port, at) => `Forwarding from 127.0.0.1:${forwarded.ports[at]} -> ${port} (served.1 on ${node.name})`
            )
          )
          assert.strictEqual(`${yield* http(web, "/a/path")}`, "/a/path")

          // A hundred at once, each with its own body.
          const hashes = yield* Effect.forEach(
            Array.from({ length: 100 }, (_, at) => bytes(1000 + 977 * at)),
            (body) => Effect.map(http(web, "/hash", body), (hash) => `${hash}` === sha256(body)),
            { concurrency: "unbounded" }
          )
          assert.deepStrictEqual(hashes.filter(Boolean).length, 100)

          // More than all buffers on the way hold.
          const size = 6 * 1024 * 1024
          const block = Buffer.from(Array.from({ length: 65_536 }, (_, n) => (n * 31 + (n >> 8)) & 255))
          const whole = Buffer.concat(Array.from({ length: size / block.length }, () => block))
          assert.isTrue((yield* http(web, `/bytes/${size}`)).equals(whole))
          const random = randomBytes(size)
          assert.strictEqual(`${yield* http(web, "/hash", random)}`, sha256(random))

          const question = bytes(300_000)
          assert.isTrue((yield* exchange(late, question)).equals(question))
          // The task ends its side first and then reads on.
          const open = yield* dial(early)
          assert.strictEqual(`${yield* readToEnd(open)}`, "that is all")
          open.end(bytes(12_345))
          const counted = Effect.map(http(web, "/counted"), (text) => `${text}` === "12345")
          yield* pollUntil(counted, { every: 50, atMost: 60_000, orElse: Effect.die("bytes are missing") })

          assert.strictEqual(`${yield* exchange(outside, "")}`, `port ${ports.outside}`)
          if (`${yield* http(web, "/six")}` === "true") {
            assert.strictEqual(`${yield* exchange(six, "")}`, `port ${ports.six}`)
          }

          assert.strictEqual(forwarded.said(), "")
          const broken: Broken = yield* Effect.flip(exchange(nobody, "hello"))
          assert.match(broken.message, /closed before its end|ECONNRESET/)
          yield* pollUntil(
            Effect.sync(() => forwarded.said() !== ""),
            { every: 50, atMost: 60_000, orElse: Effect.die("nothing was said of the refused port") }
          )
          assert.strictEqual(
            forwarded.said(),
            `task-exec port-forward: cannot connect to port ${ports.nobody} of served.1: connection refused\n`
          )
          // Forwarding continues.
          assert.strictEqual(`${yield* http(web, "/again")}`, "/again")
          yield* interrupt(forwarded)
        }).pipe(Effect.scoped)
    )

    it.effect("ends with an error when the task ends, with its connections", () =>
      Effect.gen(function* () {
        const { node, remove } = yield* server("dying", { isLocal })
        const forwarded = yield* portForward([...flags, "dying", `0:${ports.late}`])
        const open = yield* dial(forwarded.ports[0] ?? 0)
        open.write("hello")
        yield* remove
        // The end of the task's process may arrive as the end of the connection.
        const [{ code, stderr }] = yield* Effect.all([forwarded.end, Effect.exit(readToEnd(open))], { concurrency: 2 })
        assert.strictEqual(code, 125, stderr)
        assert.strictEqual(
          stderr,
          `task-exec port-forward: port forwarding to dying.1 on ${node.name} ended: the task has stopped. To continue with the task's replacement, use --follow.\n`
        )
      }).pipe(Effect.scoped)
    )
  })
}

layer(SwarmCluster.layerShared, { excludeTestServices: true, timeout: "180 seconds" })("port-forward", (it) => {
  it.effect("fails for a local port in use before anything is created", () =>
    Effect.gen(function* () {
      const { manager } = yield* SwarmCluster
      const taken = yield* Effect.acquireRelease(
        Effect.callback<ReturnType<typeof createServer>>((resume) => {
          const one = createServer().listen(0, "127.0.0.1", () => resume(Effect.succeed(one)))
        }),
        (one) => Effect.callback<void>((resume) => void one.close(() => resume(Effect.void)))
      )
      const address = taken.address()
      const port = typeof address === "object" ? address?.port : undefined
      // The service does not exist: the swarm gets no request.
      const { code, stderr } = yield* program("task-exec.cjs", ["port-forward", "nothing-there", `${port}:80`], {
        env: { DOCKER_HOST: manager.dockerHost }
      })
      assert.deepStrictEqual(
        [code, stderr],
        [
          125,
          `task-exec port-forward: cannot listen on 127.0.0.1:${port}: address already in use. Choose another local port, such as 0 for a free one: 0:REMOTE.\n`
        ]
      )
    }).pipe(Effect.scoped)
  )

  it.effect("is refused unless the label task-exec.allow allows port-forward or each of the ports", () =>
    Effect.gen(function* () {
      const { manager } = yield* SwarmCluster
      for (const [allow, allowed] of [
        ["ps", false],
        [`port-forward ${ports.late}`, false],
        [`port-forward ${ports.http}, port-forward ${ports.late}`, true],
        ["port-forward", true]
      ] as const) {
        yield* Effect.gen(function* () {
          const name = "guarded"
          yield* taskServer({ name, node: manager.name, labels: { "task-exec.allow": allow } })
          const words = [name, `0:${ports.http}`, `0:${ports.late}`]
          if (allowed) {
            const forwarded = yield* portForward(words)
            assert.strictEqual(`${yield* http(forwarded.ports[0] ?? 0, "/ok")}`, "/ok")
            return yield* interrupt(forwarded)
          }
          const { code, stderr } = yield* taskExec(["port-forward", ...words])
          assert.strictEqual(code, 125)
          assert.include(stderr, `cannot run "port-forward ${ports.http} ${ports.late}" in guarded.1 on node`)
        }).pipe(Effect.scoped)
      }
    })
  )

  it.effect("leaves no container in the task's network after kill -9 of the caller", () =>
    Effect.gen(function* () {
      yield* server("orphan")
      const isUnderWay = (output: string) => output.includes("Forwarding from")
      const words = ["port-forward", "orphan", `0:${ports.http}`]
      yield* killCaller("task-exec.cjs", words, { name: "forward", isUnderWay })
      yield* untilNothingLeft
    }).pipe(Effect.scoped)
  )

  it.effect("connects a database's own client, which is idle between two queries", () =>
    Effect.gen(function* () {
      const { manager } = yield* SwarmCluster
      yield* postgres("database", manager)
      const forwarded = yield* portForward(["database", "0:5432"])
      const query = (statement: string) => psql(forwarded.ports[0] ?? 0, statement)
      // The server starts some time after its container.
      const isUp = Effect.map(query("select 1"), (text) => text === "1\n")
      yield* pollUntil(isUp, {
        every: 200,
        atMost: 120_000,
        orElse: query("select 1").pipe(Effect.flatMap(Effect.die))
      })
      yield* query("create table numbers as select n, md5(n::text) as hash from generate_series(1, 20000) as n")
      const rows = yield* query("select hash from numbers order by n")
      assert.strictEqual(rows.split("\n").length, 20_001)
      assert.strictEqual(sha256(Buffer.from(rows)), sha256(Buffer.from(hashes(20_000))))
      yield* interrupt(forwarded)
    }).pipe(Effect.scoped)
  )

  it.effect("serves more connections in turn than may be open at the same time", () =>
    Effect.gen(function* () {
      yield* server("often", { isLocal: true })
      const forwarded = yield* portForward(["often", `0:${ports.http}`])
      const answers = yield* Effect.forEach(
        Array.from({ length: mostConnections + 100 }),
        () => http(forwarded.ports[0] ?? 0, "/x"),
        { concurrency: 8 }
      )
      assert.isTrue(answers.every((answer) => `${answer}` === "/x"))
      yield* interrupt(forwarded)
    }).pipe(Effect.scoped)
  )

  it.effect("continues with the task's replacement on the same local port with --follow", () =>
    Effect.gen(function* () {
      const { manager } = yield* SwarmCluster
      const { node } = yield* server("followed", { isLocal: true })
      const forwarded = yield* portForward(["--follow", "followed", `0:${ports.http}`])
      const [port = 0] = forwarded.ports
      assert.strictEqual(`${yield* http(port, "/one")}`, "/one")
      const [task] = yield* waitRunning(manager.socket, "followed", 1)
      yield* request(node.socket, "POST", `/containers/${task?.containerId}/kill`, { query: { signal: "KILL" } })
      const hasBegunToWait = Effect.sync(() => forwarded.said().includes("waiting for its replacement"))
      yield* pollUntil(hasBegunToWait, { every: 50, atMost: 60_000, orElse: Effect.die("it noticed nothing") })
      // The connection waits for the replacement.
      assert.strictEqual(`${yield* http(port, "/two")}`, "/two")
      assert.strictEqual(
        forwarded.said(),
        `task-exec port-forward: port forwarding to followed.1 on ${node.name} ended: the task has stopped; waiting for its replacement\ntask-exec port-forward: forwarding to followed.1 on ${node.name}\n`
      )
      yield* interrupt(forwarded)
    }).pipe(Effect.scoped)
  )

  it.effect("runs four times at once to one task", () =>
    Effect.gen(function* () {
      yield* server("shared", { isLocal: true })
      const one = Effect.gen(function* () {
        const forwarded = yield* portForward(["shared", `0:${ports.http}`])
        const answer = yield* http(forwarded.ports[0] ?? 0, "/mine")
        yield* interrupt(forwarded)
        return `${answer}`
      })
      const answers = yield* Effect.all(
        Array.from({ length: 4 }, () => one),
        { concurrency: 4 }
      )
      assert.deepStrictEqual(
        answers,
        Array.from({ length: 4 }, () => "/mine")
      )
    }).pipe(Effect.scoped)
  )
})

/** One service for the tests that are interrupted before they reach it. */
const Interrupted = Layer.effectDiscard(
  Effect.andThen(
    server("interrupted"),
    Effect.addFinalizer(() => checksDone)
  )
)

layer(Interrupted.pipe(Layer.provideMerge(SwarmCluster.layerShared)), {
  excludeTestServices: true,
  timeout: "180 seconds"
})("port-forward", (it) => {
  for (const step of ["GET /tasks", "POST /services/create", "POST /networks/create", "POST /containers/create"]) {
    it.effect(`Ctrl-C at ${step}: ends with 130, and nothing stays`, () =>
      Effect.gen(function* () {
        const { manager } = yield* SwarmCluster
        const proxy = yield* engineProxy(manager.socket)
        let kill: (signal: NodeJS.Signals) => void = () => undefined
        const reached = pollUntil(
          Effect.sync(() => proxy.requests.some((line) => line.startsWith(step))),
          { every: 5, atMost: 120_000, orElse: Effect.die(`no ${step}`) }
        ).pipe(Effect.andThen(Effect.sync(() => kill("SIGINT"))))
        const run = program("task-exec.cjs", ["port-forward", "interrupted", `0:${ports.http}`], {
          env: { DOCKER_HOST: proxy.dockerHost },
          onStart: (how) => {
            kill = how
          }
        })
        const [{ code, stderr, stdout }] = yield* Effect.all([run, reached], { concurrency: 2 })
        assert.deepStrictEqual([code, stdout.toString()], [130, ""], stderr)
        assert.match(stderr, saidOfSignal)
      }).pipe(Effect.scoped)
    )
  }
})

layer(Layer.provideMerge(Library, SwarmCluster.layerShared), { excludeTestServices: true, timeout: "180 seconds" })(
  "TaskExec.forward",
  (it) => {
    it.effect("opens single connections without a listener, with typed errors, also for the end of the task", () =>
      Effect.gen(function* () {
        const { node, remove } = yield* server("library")
        const forwarding = yield* TaskExec.forward({
          target: "library",
          ports: [{ remote: ports.late }, { remote: ports.nobody }],
          addresses: []
        })
        assert.deepStrictEqual([forwarding.task.name, forwarding.route, forwarding.ports], ["library.1", "helper", []])
        yield* Effect.gen(function* () {
          const { readable, writable } = yield* forwarding.connect(ports.late)
          yield* Stream.run(Stream.make(Buffer.from("a "), Buffer.from("question")), writable)
          assert.strictEqual(Buffer.concat(yield* Stream.runCollect(readable)).toString(), "a question")
        }).pipe(Effect.scoped)
        const refused = yield* Effect.scoped(Effect.flip(forwarding.connect(ports.nobody)))
        assert.deepStrictEqual(refused, new PortUnreachable({ port: ports.nobody, reason: "connection refused" }))
        const other = yield* Effect.scoped(Effect.flip(forwarding.connect(22)))
        assert.strictEqual(other.message, "cannot connect to port 22: port 22 is not one of the ports to forward")
        yield* remove
        const ended = yield* Effect.flip(Stream.runDrain(forwarding.events))
        assert.deepStrictEqual(
          ended,
          new ForwardingEnded({ task: "library.1", node: node.name, detail: "the task has stopped" })
        )
      }).pipe(Effect.scoped)
    )

    it.effect("fails for an invalid request, and for a task that does not exist", () =>
      Effect.gen(function* () {
        const invalid = yield* Effect.flip(TaskExec.forward({ target: "web", ports: [] }))
        assert.strictEqual(invalid.message, "invalid request: there are no ports to forward")
        const port = yield* Effect.flip(TaskExec.forward({ target: "web", ports: [{ remote: 0 }] }))
        assert.strictEqual(port.message, "invalid request: 0 is not a port: expected 1 to 65535")
        const missing = yield* Effect.flip(
          TaskExec.forward({ target: "nothing-there", ports: [{ local: 0, remote: 80 }] })
        )
        assert.strictEqual(missing._tag, "TaskNotFound")
      }).pipe(Effect.scoped)
    )

    it.effect("is available with promises", () =>
      Effect.gen(function* () {
        const { manager } = yield* SwarmCluster
        yield* server("promised", { isLocal: true })
        const swarm = yield* Effect.acquireRelease(
          Effect.promise(() => connect({ host: manager.dockerHost })),
          ({ close }) => Effect.promise(close)
        )
        const forwarding = yield* Effect.promise(() =>
          swarm.forward({ target: "promised", ports: [{ local: 0, remote: ports.http }] })
        )
        const [bound] = forwarding.ports
        assert.strictEqual(`${yield* http(bound?.local ?? 0, "/promised")}`, "/promised")
        yield* Effect.promise(forwarding.close)
        const closed = yield* Effect.flip(http(bound?.local ?? 0, "/closed"))
        assert.match(closed.message, /ECONNREFUSED/)
      }).pipe(Effect.scoped)
    )
  }
)
