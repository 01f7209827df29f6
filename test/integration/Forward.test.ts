/** `task-exec port-forward` and `TaskExec.forward`: ports of tasks, on every route. */
import { createServer } from "node:net"
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { leftovers } from "../cluster/Leftovers.ts"
import { pollUntil } from "../cluster/Poll.ts"
import { SwarmCluster } from "../cluster/SwarmCluster.ts"
import { killCaller } from "./Callers.ts"
import { type Broken, dial, exchange, http, interrupt, portForward, readToEnd } from "./Forwards.ts"
import { Agents, checkLeftoversMeanwhile, program, sha256, taskExec } from "./Harness.ts"
import { ports, taskServer } from "./TaskServer.ts"

checkLeftoversMeanwhile()

/** Sets the server up on another node than the manager, or on the manager. */
const server = Effect.fnUntraced(function* (name: string, options: { readonly isLocal?: boolean } = {}) {
  const { manager, nodes } = yield* SwarmCluster
  const other = nodes.find((node) => node.nodeId !== manager.nodeId)
  if (other === undefined) return yield* Effect.die("there is one node only")
  const node = options.isLocal === true ? manager : other
  return { ...(yield* taskServer({ name, node: node.name })), node }
})

/** Two bytes that no text has. */
const bytes = (length: number): Buffer => Buffer.from(Array.from({ length }, (_, at) => (at * 7 + (at >> 9)) & 0xff))

const routes = {
  "local route": { isLocal: true, flags: [] },
  "helper on another node": { isLocal: false, flags: [] },
  "agent on another node": { isLocal: false, flags: ["--via", "agent"] }
} as const

for (const [name, { flags, isLocal }] of Object.entries(routes)) {
  const swarm = flags.length === 0 ? SwarmCluster.layerShared : Agents
  layer(swarm, { excludeTestServices: true, timeout: "180 seconds" })(`port-forward: ${name}`, (it) => {
    it.effect("an HTTP server, half-closed connections, refused ports and every address; Ctrl-C ends it with 0", () =>
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

        // A hundred at once, with bodies of their own.
        const hashes = yield* Effect.forEach(
          Array.from({ length: 100 }, (_, at) => bytes(1000 + 977 * at)),
          (body) => Effect.map(http(web, "/hash", body), (hash) => `${hash}` === sha256(body)),
          { concurrency: "unbounded" }
        )
        assert.deepStrictEqual(hashes.filter(Boolean).length, 100)

        const question = bytes(300_000)
        assert.isTrue((yield* exchange(late, question)).equals(question))
        // The task ends first, and then reads on.
        const open = yield* dial(early)
        assert.strictEqual(`${yield* readToEnd(open)}`, "that is all")
        open.end(bytes(12_345))
        const counted = Effect.map(http(web, "/counted"), (text) => `${text}` === "12345")
        yield* pollUntil(counted, { every: 50, atMost: 60_000, orElse: Effect.die("bytes are missing") })

        assert.strictEqual(`${yield* exchange(outside, "")}`, `port ${ports.outside}`)
        assert.strictEqual(`${yield* exchange(six, "")}`, `port ${ports.six}`)

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
        // Forwarding goes on.
        assert.strictEqual(`${yield* http(web, "/again")}`, "/again")
        yield* interrupt(forwarded)
      }).pipe(Effect.scoped)
    )

    it.effect("the task ends: its connections end, and an error says so", () =>
      Effect.gen(function* () {
        const { node, remove } = yield* server("dying", { isLocal })
        const forwarded = yield* portForward([...flags, "dying", `0:${ports.late}`])
        const open = yield* dial(forwarded.ports[0] ?? 0)
        open.write("hello")
        yield* remove
        // The end of the task's process may still arrive as the end of the connection.
        const [{ code, stderr }] = yield* Effect.all([forwarded.end, Effect.exit(readToEnd(open))], { concurrency: 2 })
        assert.strictEqual(code, 125, stderr)
        assert.strictEqual(
          stderr,
          `task-exec port-forward: port forwarding to dying.1 on ${node.name} ended: the task has stopped. To go on with the task's replacement, use --follow.\n`
        )
      }).pipe(Effect.scoped)
    )
  })
}

layer(SwarmCluster.layerShared, { excludeTestServices: true, timeout: "180 seconds" })("port-forward", (it) => {
  it.effect("a local port in use: an error before anything is created", () =>
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
      // No such service: the swarm is not asked.
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

  it.effect("the label task-exec.allow must allow port-forward, or each of the ports", () =>
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

  it.effect("kill -9 of the caller: the container in the task's network is removed", () =>
    Effect.gen(function* () {
      const cluster = yield* SwarmCluster
      yield* server("orphan")
      const isUnderWay = (output: string) => output.includes("Forwarding from")
      const words = ["port-forward", "orphan", `0:${ports.http}`]
      yield* killCaller("task-exec.cjs", words, { name: "forward", isUnderWay })
      const isClean = Effect.map(leftovers(cluster, { patience: 0 }), (items) => items.length === 0)
      yield* pollUntil(isClean, { every: 250, atMost: 90_000, orElse: Effect.die("something of the run stays") })
    }).pipe(Effect.scoped)
  )
})
