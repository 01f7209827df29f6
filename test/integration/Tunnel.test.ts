import { join } from "node:path"
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { makeTunnelKey } from "../../src/carrier/TunnelTls.ts"
import { TaskExec } from "../../src/index.ts"
import { get, post, remove, request } from "../cluster/EngineApi.ts"
import { madeSince } from "../cluster/Events.ts"
import { leftovers } from "../cluster/Leftovers.ts"
import { pollUntil } from "../cluster/Poll.ts"
import { type ClusterNode, SwarmCluster } from "../cluster/SwarmCluster.ts"
import { killCaller } from "./Callers.ts"
import { checkLeftovers, dist, program, shell, taskExec, Web } from "./Harness.ts"
import { openPty } from "./Pty.ts"
import { converse, Library } from "./Sessions.ts"

checkLeftovers()

const Containers = Schema.Array(
  Schema.Struct({
    Id: Schema.String,
    NetworkSettings: Schema.Struct({
      Networks: Schema.Record(Schema.String, Schema.Struct({ IPAddress: Schema.String }))
    })
  })
)
const State = Schema.Struct({ State: Schema.Struct({ Pid: Schema.Int }) })
const Created = Schema.Struct({ Id: Schema.String })
const Engine = Schema.Struct({ Version: Schema.String })

/** The one container on a node that is there for this. */
const withRole = Effect.fnUntraced(function* ({ socket }: ClusterNode, role: "helper" | "relay") {
  const query = { filters: JSON.stringify({ label: { [`task-exec.role=${role}`]: true } }) }
  const [container, ...more] = yield* get(socket, "/containers/json", Containers, { query })
  assert(container !== undefined && more.length === 0)
  return container
})

const Services = Schema.Array(
  Schema.Struct({ Spec: Schema.Struct({ Labels: Schema.Record(Schema.String, Schema.String) }) })
)

/** The run whose helper is there. */
const runThere = Effect.gen(function* () {
  const { manager } = yield* SwarmCluster
  const query = { filters: JSON.stringify({ label: { "task-exec.role=helper": true } }) }
  const [service] = yield* get(manager.socket, "/services", Services, { query })
  const id = service?.Spec.Labels["task-exec.run"]
  assert(id !== undefined)
  return id
})

const kill = (node: ClusterNode, role: "helper" | "relay") =>
  Effect.gen(function* () {
    const { Id } = yield* withRole(node, role)
    yield* request(node.socket, "POST", `/containers/${Id}/kill`, { query: { signal: "KILL" } })
  })

/** Commands of ours that run, anywhere on the swarm. */
const commands = Effect.flatMap(SwarmCluster, (cluster) => leftovers(cluster, { patience: 0 })).pipe(
  Effect.map((items) => items.filter((item) => item.startsWith("process ")))
)

/** Waits until no command of ours runs, with whatever else still there. */
const untilEnded = pollUntil(
  Effect.map(commands, (found) => found.length === 0),
  { every: 200, atMost: 40_000, orElse: Effect.flatMap(commands, (found) => Effect.die(found.join("\n"))) }
)

const Nodes = Schema.Array(Schema.Struct({ Status: Schema.Struct({ State: Schema.String }) }))

/** Waits until the manager hears all nodes again. */
const untilReady = Effect.flatMap(SwarmCluster, ({ manager }) =>
  pollUntil(
    Effect.map(get(manager.socket, "/nodes", Nodes), (nodes) => nodes.every(({ Status }) => Status.State === "ready")),
    { every: 200, atMost: 40_000, orElse: Effect.die("a node does not come back") }
  )
)

/** A task on another node, and that node. */
const there = Effect.map(Web, (web) => ({ target: web.target(web.remote), node: web.nodeOf(web.remote) }))

const echo = ["sh", "-c", "echo up; while read line; do echo got $line; done; exit 7"] as const

layer(Library.pipe(Layer.provideMerge(Web.layer("tunnel"))), { excludeTestServices: true, timeout: "180 seconds" })(
  "the tunnel",
  (it) => {
    it.effect("who asks for an address there asks again soon, where the engine can be told so", () =>
      Effect.gen(function* () {
        const { manager } = yield* SwarmCluster
        const { node, target } = yield* there
        const talk = yield* converse(yield* TaskExec.open({ target, command: echo }))
        yield* talk.until("up\n")
        const { Version } = yield* get(manager.socket, "/version", Engine)
        const places = [
          [manager, "relay"],
          [node, "helper"]
        ] as const
        const times = yield* Effect.forEach(places, ([on, role]) =>
          Effect.gen(function* () {
            const { Id } = yield* withRole(on, role)
            const { Pid } = (yield* get(on.socket, `/containers/${Id}/json`, State)).State
            const file = "/proc/sys/net/ipv4/neigh/eth0/retrans_time_ms"
            return Number(yield* on.exec(["nsenter", "--target", `${Pid}`, "--net", "cat", file]))
          })
        )
        // In whole ticks of the kernel's clock, of up to 10 ms.
        const [atLeast, atMost] = Number.parseInt(Version, 10) >= 27 ? [50, 60] : [1000, 1000]
        for (const time of times) assert.isTrue(time >= atLeast && time <= atMost, `${time} ms`)
      }).pipe(Effect.scoped)
    )

    it.effect("who does not take a command's output can end it all the same, by the helper that runs it", () =>
      Effect.gen(function* () {
        const { dockerHost, socket } = (yield* SwarmCluster).manager
        const { target } = yield* there
        const since = Date.now()
        const pipe = yield* shell(`task-exec --via helper:tunnel ${target} yes | head -1; echo "\${PIPESTATUS[0]}"`, {
          env: { DOCKER_HOST: dockerHost }
        })
        assert.deepStrictEqual([pipe.stdout.toString(), pipe.stderr], ["y\n141\n", ""])
        assert.lengthOf(yield* madeSince(socket, "service", since), 1)
      })
    )

    it.effect("strangers on its network are sent away, and told of in the helper's log; the session goes on", () =>
      Effect.gen(function* () {
        const { image, manager } = yield* SwarmCluster
        const { node, target } = yield* there
        const session = yield* TaskExec.open({ target, command: echo })
        const talk = yield* converse(session)
        yield* talk.until("up\n")

        const helper = yield* withRole(node, "helper")
        const [network = "", address] = Object.entries(helper.NetworkSettings.Networks)[0] ?? []
        assert.match(network, /^task-exec-/)
        const script = `
          const net = require("node:net"), tls = require("node:tls")
          const at = { host: ${JSON.stringify(address?.IPAddress)}, port: 7788 }
          const over = (socket) => new Promise((done) => socket.on("error", () => {}).on("close", done).resume())
          const garbage = async () => { const s = net.connect(at); s.write(Buffer.alloc(5000, 88)); await over(s) }
          const hangsUp = async () => { const s = net.connect(at, () => s.destroy()); await over(s) }
          const wrongKey = () => over(tls.connect({ ...at, ciphers: "ECDHE-PSK-CHACHA20-POLY1305", maxVersion: "TLSv1.2",
            pskCallback: () => ({ psk: Buffer.from("${makeTunnelKey()}", "base64"), identity: "task-exec" }),
            checkServerIdentity: () => undefined }))
          const noKey = () => over(tls.connect({ ...at, rejectUnauthorized: false }))
          for (const knock of [garbage, hangsUp, wrongKey, noKey]) {
            await Promise.all(Array.from({ length: 5 }, knock))
            console.log(knock.name, "sent away")
          }`
        // A container on the network; it must be gone before the session is, whose network could not be removed otherwise.
        const said = yield* Effect.acquireUseRelease(
          post(manager.socket, "/containers/create", Created, {
            body: { Image: image, Cmd: ["sleep", "1000"], HostConfig: { NetworkMode: network } }
          }),
          ({ Id }) =>
            Effect.gen(function* () {
              yield* request(manager.socket, "POST", `/containers/${Id}/start`)
              const { State: state } = yield* get(manager.socket, `/containers/${Id}/json`, State)
              const inside = ["nsenter", "--net", "--target", String(state.Pid), process.execPath]
              return yield* manager.exec([...inside, "--input-type=commonjs", "-e", `(async () => {${script}})()`])
            }),
          ({ Id }) => Effect.orDie(remove(manager.socket, `/containers/${Id}?force=true`))
        )
        assert.strictEqual(said, ["garbage", "hangsUp", "wrongKey", "noKey", ""].join(" sent away\n"))

        const { stderr } = yield* Effect.map(
          request(node.socket, "GET", `/containers/${helper.Id}/logs`, { query: { stderr: "true" } }),
          (body) => ({ stderr: body.toString("latin1") })
        )
        assert.isAtLeast(stderr.split("helper: refused ").length - 1, 15)
        assert.match(stderr, /helper: refused \S+\d: .*decryption failed|bad record mac/i)

        yield* talk.say("still here\n")
        yield* talk.until("got still here\n")
        yield* talk.end
        assert.strictEqual(yield* session.outcome, 7)
      }).pipe(Effect.scoped)
    )

    for (const role of ["helper", "relay"] as const) {
      it.effect(`the ${role} is killed: the connection is lost, and the command is ended`, () =>
        Effect.gen(function* () {
          const { manager } = yield* SwarmCluster
          const { node, target } = yield* there
          const session = yield* TaskExec.open({ target, command: ["sh", "-c", "echo up; sleep 1234"] })
          const talk = yield* converse(session)
          yield* talk.until("up\n")
          yield* kill(role === "helper" ? node : manager, role)
          const error = yield* Effect.flip(session.outcome)
          assert(error._tag === "ConnectionLost")
          assert.deepStrictEqual([error.node, error.ending], [node.name, { _tag: "Killed" }])
          assert.deepStrictEqual(yield* commands, [])
        }).pipe(Effect.scoped)
      )
    }

    it.effect("its caller is killed with its guard: the command is ended, and gc finds what they left", () =>
      Effect.gen(function* () {
        const { manager } = yield* SwarmCluster
        const { target } = yield* there
        yield* killCaller("task-exec.cjs", ["--via", "helper:tunnel", target, "sh", "-c", "echo up; sleep 1234"], {
          name: "tunnel",
          withGuard: true,
          isUnderWay: (output) => output === "up\n"
        })
        yield* untilEnded
        const gc = yield* program("swarm-exec.cjs", ["gc", "--run", yield* runThere], {
          env: { DOCKER_HOST: manager.dockerHost }
        })
        assert.strictEqual(gc.code, 0, gc.stderr)
      })
    )

    /**
     * After 4 s of suspicion, which begins up to 2 s after the cable is out, Swarm's gossip (memberlist) takes the node for failed and
     * removes its addresses from the overlay network. They come back up to 30 s after the cable: then it is the swarm, not the
     * tunnel, that lets nothing through for longer than the tunnel waits.
     */
    it.effect("the node's cable is out for less than Swarm's gossip waits (2 s): the session goes on", () =>
      Effect.gen(function* () {
        const { link } = yield* SwarmCluster
        const { node, target } = yield* there
        const session = yield* TaskExec.open({ target, command: echo })
        const talk = yield* converse(session)
        yield* talk.until("up\n")
        yield* Effect.acquireUseRelease(
          link(node, "down"),
          () => Effect.andThen(talk.say("in between\n"), Effect.sleep("2 seconds")),
          () => Effect.orDie(link(node, "up"))
        )
        yield* talk.until("got in between\n")
        yield* talk.end
        assert.strictEqual(yield* session.outcome, 7)
      }).pipe(Effect.scoped)
    )

    it.effect("an overlay that lets nothing through: the error says so, and what to open", () =>
      Effect.gen(function* () {
        const { node, target } = yield* there
        const rule = ["INPUT", "-p", "udp", "--dport", "4789", "-j", "DROP"]
        const { code, stderr } = yield* Effect.acquireUseRelease(
          node.exec(["iptables", "-I", ...rule]),
          () => taskExec(["--via", "helper:tunnel", target, "cat"]),
          () => Effect.orDie(node.exec(["iptables", "-D", ...rule]))
        )
        assert.strictEqual(code, 125)
        assert.match(stderr, new RegExp(`^task-exec: .*${node.name}.*4789.*7946.*\\n$`))
      })
    )

    // Last: Swarm gives the tasks of a node that is gone to others.
    it.effect(
      "the node's cable is out for good: both ends give up, the command is ended, the terminal is as it was",
      () =>
        Effect.gen(function* () {
          const { link, manager } = yield* SwarmCluster
          const { node, target } = yield* there
          const argv = [process.execPath, join(dist, "task-exec.cjs"), "-it", target]
          const pty = yield* openPty([...argv, "sh", "-c", "trap '' HUP; echo up; while :; do sleep 1; done"], {
            env: { DOCKER_HOST: manager.dockerHost, TERM: "xterm" }
          })
          yield* pty.see(/up\r\n/)
          yield* Effect.acquireUseRelease(
            link(node, "down"),
            () => Effect.andThen(untilEnded, pty.end),
            () => Effect.orDie(link(node, "up"))
          )
          yield* untilReady
          const { after, before, code, shown } = yield* pty.end
          assert.strictEqual(code, 125, shown)
          assert.strictEqual(after, before)
          assert.match(
            shown,
            new RegExp(`the connection to node ${node.name} was lost \\(nothing was heard for 15 s\\)`)
          )
        }).pipe(Effect.scoped)
    )
  }
)
