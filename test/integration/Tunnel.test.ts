import { join } from "node:path"
import { assert, layer } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { makeTunnelKey } from "../../src/carrier/TunnelTls.ts"
import { TaskExec } from "../../src/index.ts"
import { get, post, remove, request } from "../cluster/EngineApi.ts"
import { engineProxy } from "../cluster/EngineProxy.ts"
import { objectsCreatedSince } from "../cluster/Events.ts"
import { runningCommands } from "../cluster/Leftovers.ts"
import { poll, pollUntil } from "../cluster/Poll.ts"
import { execIn } from "../cluster/Services.ts"
import { type ClusterNode, SwarmCluster } from "../cluster/SwarmCluster.ts"
import { killCaller } from "./Callers.ts"
import { checkLeftovers, dist, program, saidOfSignal, shell, stretched, taskExec, Web } from "./Harness.ts"
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

/** The only container of a node with this role. */
const withRole = Effect.fnUntraced(function* ({ socket }: ClusterNode, role: "helper" | "relay") {
  const query = { filters: JSON.stringify({ label: { [`task-exec.role=${role}`]: true } }) }
  const [container, ...more] = yield* get(socket, "/containers/json", Containers, { query })
  assert(container !== undefined && more.length === 0)
  return container
})

const Services = Schema.Array(
  Schema.Struct({ Spec: Schema.Struct({ Labels: Schema.Record(Schema.String, Schema.String) }) })
)

/** The run of the current helper. */
const currentRun = Effect.gen(function* () {
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

/** Our running commands, on all nodes. */
const commands = Effect.flatMap(SwarmCluster, runningCommands)

/** Waits until none of our commands runs. Other objects may still exist. */
const untilEnded = pollUntil(
  Effect.map(commands, (found) => found.length === 0),
  { every: 500, atMost: 120_000, orElse: Effect.flatMap(commands, (found) => Effect.die(found.join("\n"))) }
)

const Nodes = Schema.Array(Schema.Struct({ Status: Schema.Struct({ State: Schema.String }) }))

/** Waits until the manager sees all nodes ready again. */
const untilReady = Effect.flatMap(SwarmCluster, ({ manager }) =>
  pollUntil(
    Effect.map(get(manager.socket, "/nodes", Nodes), (nodes) => nodes.every(({ Status }) => Status.State === "ready")),
    { every: 500, atMost: 120_000, orElse: Effect.die("a node does not come back") }
  )
)

/** A task on another node, with its node. */
const there = Effect.map(Web, (web) => ({ target: web.target(web.remote), node: web.nodeOf(web.remote) }))

const echo = ["sh", "-c", "echo up; while read line; do echo got $line; done; exit 7"] as const

/** A session with {@link echo} whose tunnel is open. */
const talking = Effect.gen(function* () {
  const { target } = yield* there
  const session = yield* TaskExec.open({ target, command: echo })
  const talk = yield* converse(session)
  yield* talk.say("there\n")
  yield* talk.until("got there\n")
  return { session, talk }
})

/** How long Swarm's gossip suspects a node before it declares the node failed, in milliseconds. */
const gossipWaits = 4000

/** A proxy to the manager that creates no network before `release`: a command runs, and its tunnel does not open. */
const heldBack = Effect.gen(function* () {
  const { manager } = yield* SwarmCluster
  return yield* engineProxy(manager.socket, ({ line }) => (line.startsWith("POST /networks/create") ? "keep" : "pass"))
})

layer(Library.pipe(Layer.provideMerge(Web.layer("tunnel"))), { excludeTestServices: true, timeout: "180 seconds" })(
  "the tunnel",
  (it) => {
    it.effect("lets a caller that does not read the output end the command by its helper", () =>
      Effect.gen(function* () {
        const { dockerHost, socket } = (yield* SwarmCluster).manager
        const { target } = yield* there
        const since = Date.now()
        const script = `task-exec -i ${target} sh -c 'read go; yes' | head -1; echo "\${PIPESTATUS[0]}"`
        const options = { env: { DOCKER_HOST: dockerHost }, input: "go\n", keepsInput: true }
        const pipe = yield* shell(script, options)
        assert.deepStrictEqual([pipe.stdout.toString(), pipe.stderr], ["y\n141\n", ""])
        assert.lengthOf(yield* objectsCreatedSince(socket, "service", since), 1)
      })
    )

    it.effect(
      "repeats lookups in its network quickly if the engine supports that, and rejects and logs strangers",
      () =>
        Effect.gen(function* () {
          const { image, manager } = yield* SwarmCluster
          const { node } = yield* there
          const { session, talk } = yield* talking

          const { Version } = yield* get(manager.socket, "/version", Engine)
          const times = yield* Effect.forEach([manager, node], (on) =>
            Effect.gen(function* () {
              const { Id } = yield* withRole(on, "relay")
              const { Pid } = (yield* get(on.socket, `/containers/${Id}/json`, State)).State
              const file = "/proc/sys/net/ipv4/neigh/eth0/retrans_time_ms"
              return Number(yield* on.exec(["nsenter", "--target", `${Pid}`, "--net", "cat", file]))
            })
          )
          // The kernel rounds to its clock ticks of up to 10 ms.
          const [atLeast, atMost] = Number.parseInt(Version, 10) >= 27 ? [50, 60] : [1000, 1000]
          for (const time of times) assert.isTrue(time >= atLeast && time <= atMost, `${time} ms`)

          const helper = yield* withRole(node, "helper")
          const listener = yield* withRole(node, "relay")
          const [network = "", address] = Object.entries(listener.NetworkSettings.Networks)[0] ?? []
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
          // A container on the network. It must be removed before the session ends, because the session's network could not be removed
          // otherwise.
          const knocked = yield* Effect.acquireUseRelease(
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
          assert.strictEqual(knocked, ["garbage", "hangsUp", "wrongKey", "noKey", ""].join(" sent away\n"))

          const said = Effect.map(
            request(node.socket, "GET", `/containers/${helper.Id}/logs`, { query: { stderr: "true" } }),
            (body) => body.toString("latin1").match(/listener: refused [^\n]*/g) ?? []
          )
          const refused = yield* poll(
            Effect.map(said, (lines) => (lines.length >= 15 ? Option.some(lines) : Option.none())),
            { every: 50, atMost: 120_000, orElse: Effect.die("the helper does not tell of them") }
          )
          assert.match(refused.join("\n"), /listener: refused \S+\d: .*decryption failed|bad record mac/i)

          yield* talk.say("still here\n")
          yield* talk.until("got still here\n")
          yield* talk.end
          assert.strictEqual(yield* session.outcome, 7)
        }).pipe(Effect.scoped)
    )

    for (const [name, role] of [
      ["helper", "helper"],
      ["listener", "relay"]
    ] as const) {
      it.effect(`kill -9 of the ${name}: the connection is lost, and the command is killed`, () =>
        Effect.gen(function* () {
          const { node } = yield* there
          const { session } = yield* talking
          yield* kill(node, role)
          const error = yield* Effect.flip(session.outcome)
          assert(error._tag === "ConnectionLost")
          assert.deepStrictEqual([error.node, error.killResult], [node.name, { _tag: "Killed" }])
          assert.isFalse(TaskExec.isNothingRun(error))
          assert.deepStrictEqual(yield* commands, [])
        }).pipe(Effect.scoped)
      )
    }

    it.effect("kills its command after kill -9 of caller and guard, and gc removes the rest", () =>
      Effect.gen(function* () {
        const { manager } = yield* SwarmCluster
        const { target } = yield* there
        yield* killCaller("task-exec.cjs", ["-i", target, "sh", "-c", "read go; echo up; sleep 1234"], {
          name: "tunnel",
          input: "go\n",
          keepsInput: true,
          withGuard: true,
          isUnderWay: (output) => output === "up\n"
        })
        yield* untilEnded
        const gc = yield* program("task-exec.cjs", ["gc", "--run", yield* currentRun], {
          env: { DOCKER_HOST: manager.dockerHost }
        })
        assert.strictEqual(gc.code, 0, gc.stderr)
      })
    )

    /**
     * Swarm's gossip (memberlist) suspects a node up to 2 s after the disconnection, and declares it failed 4 s later. It then removes the
     * node's addresses from the overlay network, and adds them up to 30 s after the reconnection. Until then, Swarm blocks traffic for
     * longer than a tunnel waits.
     */
    it.effect("survives a disconnection of 2 s, which is shorter than Swarm's gossip timeout", () =>
      Effect.gen(function* () {
        const { link } = yield* SwarmCluster
        const { node } = yield* there
        /** Returns how long the cable was disconnected, in milliseconds. Fails if the session did not continue. */
        const attempt = Effect.gen(function* () {
          const { session, talk } = yield* talking
          const [took] = yield* Effect.timed(
            Effect.acquireUseRelease(
              link(node, "down"),
              () => Effect.andThen(talk.say("in between\n"), Effect.sleep("2 seconds")),
              () => Effect.orDie(link(node, "up"))
            )
          )
          const goesOn = Effect.gen(function* () {
            yield* talk.until("got in between\n")
            yield* talk.end
            assert.strictEqual(yield* session.outcome, 7)
          })
          const outcome = yield* Effect.exit(goesOn)
          yield* untilReady
          // If a busy machine did not reconnect the cable in time, this attempt proves nothing.
          return Duration.toMillis(took) < gossipWaits ? Option.some(yield* outcome) : Option.none()
        }).pipe(Effect.scoped)
        yield* poll(attempt, { atMost: 120_000, orElse: Effect.die("the cable was never out for so short a time") })
      })
    )

    it.effect("names the ports if the overlay network is blocked, and kills the command", () =>
      Effect.gen(function* () {
        const { node, target } = yield* there
        const rule = ["INPUT", "-p", "udp", "--dport", "4789", "-j", "DROP"]
        const { code, stderr, stdout } = yield* Effect.acquireUseRelease(
          node.exec(["iptables", "-I", ...rule]),
          () => taskExec(["-i", target, "sh", "-c", "echo up; cat"], { keepsInput: true }),
          () => Effect.orDie(node.exec(["iptables", "-D", ...rule]))
        )
        assert.strictEqual(code, 125)
        assert.match(stderr, new RegExp(`^task-exec: .*${node.name}.*4789.*7946.*\\n$`))
        // Output needs no overlay network.
        assert.strictEqual(stdout.toString(), "up\n")
        assert.deepStrictEqual(yield* commands, [])
      })
    )

    it.effect("leaves nothing if Ctrl-C or a timeout kills the command while the tunnel opens", () =>
      Effect.gen(function* () {
        const { target } = yield* there
        // The caller abandons the request that the proxy keeps after 30 seconds.
        const seconds = Math.min(12, stretched(4))
        const endedBy = Effect.fnUntraced(function* (flags: ReadonlyArray<string>, signal?: NodeJS.Signals) {
          const proxy = yield* heldBack
          const args = [...flags, "--grace", "1s", "-i", target, "sh", "-c", "setsid sleep 1234 & echo up; sleep 1234"]
          return yield* taskExec(args, {
            env: { DOCKER_HOST: proxy.dockerHost },
            keepsInput: true,
            onOutput: (output, kill) => output === "up\n" && signal !== undefined && kill(signal)
          })
        }, Effect.scoped)
        const [interrupted, late] = yield* Effect.all([endedBy([], "SIGINT"), endedBy(["--timeout", `${seconds}s`])], {
          concurrency: 2
        })
        assert.deepStrictEqual([interrupted.code, interrupted.stdout.toString()], [130, "up\n"], interrupted.stderr)
        assert.match(interrupted.stderr, saidOfSignal)
        assert.deepStrictEqual(
          [late.code, late.stdout.toString(), late.stderr],
          [
            124,
            "up\n",
            `task-exec: timed out after ${seconds} s; the command and all its child processes were killed\n`
          ]
        )
        assert.deepStrictEqual(yield* commands, [])
      })
    )

    it.effect("delivers keys, a new size and more keys from before it was open in order", () =>
      Effect.gen(function* () {
        const { target } = yield* there
        const proxy = yield* heldBack
        const script =
          "stty -echo; until [ \"$(stty size)\" = '24 80' ]; do sleep 0.1; done; echo up; read a; until [ \"$(stty size)\" = '30 90' ]; do sleep 0.1; done; read b; echo $a.$b."
        const pty = yield* openPty(
          [process.execPath, join(dist, "task-exec.cjs"), "-q", "-it", target, "sh", "-c", script],
          {
            env: { DOCKER_HOST: proxy.dockerHost, TERM: "xterm" }
          }
        )
        // Engines before 25 set a terminal's size shortly after the command's start.
        yield* pty.see(/up\r\n/)
        pty.type("one ")
        yield* pty.resize(30, 90)
        pty.type("two\rthr")
        yield* pollUntil(
          Effect.sync(() => proxy.requests.some((line) => line.startsWith("POST /networks/create"))),
          { every: 20, atMost: 120_000, orElse: Effect.die("no network is asked for") }
        )
        proxy.release()
        pty.type("ee\r")
        yield* pty.see(/^one two\.three\.\r\n/)
        const { code, shown } = yield* pty.end
        assert.strictEqual(code, 0, shown)
      }).pipe(Effect.scoped)
    )

    it.effect("opens four times at once", () =>
      Effect.gen(function* () {
        const { target } = yield* there
        const script = "echo up; read line; echo got $line; exit 7"
        const results = yield* Effect.forEach(
          Array.from({ length: 4 }, (_, at) => at),
          (at) => taskExec(["-i", target, "sh", "-c", script], { input: `line ${at}\n`, keepsInput: true }),
          { concurrency: 4 }
        )
        assert.deepStrictEqual(
          results.map(({ code, stderr, stdout }) => [code, stdout.toString(), stderr]),
          results.map((_, at) => [7, `up\ngot line ${at}\n`, ""])
        )
      })
    )

    it.effect(
      "carries output that outgrows the log exactly for a fast and a slow reader, and ends with one that stops",
      () =>
        Effect.gen(function* () {
          const { dockerHost } = (yield* SwarmCluster).manager
          const web = yield* Web
          const { node, target } = yield* there
          const inTarget = (...command: ReadonlyArray<string>) => execIn(node.socket, web.remote.containerId, command)
          // Of 5 MiB, the log has 1 MiB, and the buffers of a tunnel hold 1 MiB on either side.
          yield* inTarget("dd", "if=/dev/urandom", "of=/tmp/random", "bs=1M", "count=5")
          const [sum] = (yield* inTarget("sha256sum", "/tmp/random")).stdout.split(" ")
          const command = `${target} sh -c 'cat /tmp/random; exit 7'`
          const slowly = "for i in {1..10}; do head -c 524288; sleep 0.2; done"
          const script = [
            `task-exec ${command} | sha256sum; echo "\${PIPESTATUS[0]}"`,
            `task-exec ${command} | { ${slowly}; } | sha256sum; echo "\${PIPESTATUS[0]}"`,
            `task-exec ${command} | head -c 5 | wc -c; echo "\${PIPESTATUS[0]}"`
          ].join("; ")
          const { stderr, stdout } = yield* shell(script, { env: { DOCKER_HOST: dockerHost } })
          assert.deepStrictEqual(
            [stdout.toString().split("\n"), stderr],
            [[`${sum}  -`, "7", `${sum}  -`, "7", "5", "141", ""], ""]
          )
          yield* inTarget("rm", "/tmp/random")
        })
    )

    // The last test, because Swarm moves the tasks of an unreachable node.
    it.effect("ends on both sides at a lasting disconnection, kills the command and restores the terminal", () =>
      Effect.gen(function* () {
        const { link, manager } = yield* SwarmCluster
        const { node, target } = yield* there
        const argv = [process.execPath, join(dist, "task-exec.cjs"), "-it", target]
        const pty = yield* openPty([...argv, "sh", "-c", "trap '' HUP; read go; echo up; while :; do sleep 1; done"], {
          env: { DOCKER_HOST: manager.dockerHost, TERM: "xterm" }
        })
        pty.type("go\r")
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
        assert.match(shown, new RegExp(`lost the connection to node ${node.name}: no data for 15 s;`))
        // Swarm keeps a network while an unreachable node may have a container on it.
        const [, named, command] = /cannot remove (network \S+): .*\. Remove it with: (\S.*?)\r\n/.exec(shown) ?? []
        if (command === undefined) return
        assert.match(named ?? "", /^network task-exec-network-\w+$/, shown)
        const swept = yield* shell(command, { env: { DOCKER_HOST: manager.dockerHost } })
        assert.strictEqual(swept.code, 0, swept.stderr)
      }).pipe(Effect.scoped)
    )
  }
)
