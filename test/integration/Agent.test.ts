import { randomBytes } from "node:crypto"
import { join } from "node:path"
import { assert, layer } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { TaskExec } from "../../src/index.ts"
import { get, request } from "../cluster/EngineApi.ts"
import { eventsSince } from "../cluster/Events.ts"
import { agentObjects } from "../cluster/Leftovers.ts"
import { poll, pollUntil } from "../cluster/Poll.ts"
import { execIn } from "../cluster/Services.ts"
import { type ClusterNode, SwarmCluster } from "../cluster/SwarmCluster.ts"
import { Agents, checkLeftovers, dist, lateImage, onManager, sha256, shell, taskExec, Web } from "./Harness.ts"
import { openPty, withoutStageLine } from "./Pty.ts"
import { Library } from "./Sessions.ts"

checkLeftovers()

const Ids = Schema.Array(Schema.Struct({ Id: Schema.String }))

const NodeState = Schema.Struct({ Status: Schema.Struct({ State: Schema.String }) })

/** The containers of the agents that run on a node. */
const agentsOn = ({ socket }: ClusterNode) =>
  Effect.map(
    get(socket, "/containers/json", Ids, { query: { filters: JSON.stringify({ label: ["task-exec.agent"] }) } }),
    (found) => found.map(({ Id }) => Id)
  )

const killAgent = Effect.fnUntraced(function* (node: ClusterNode) {
  const [id] = yield* agentsOn(node)
  yield* request(node.socket, "POST", `/containers/${id}/kill`)
})

/** The number of processes that were started in a container since a Unix time in milliseconds. */
const execsIn = ({ socket }: ClusterNode, id: string, since: number) =>
  Effect.map(
    eventsSince(socket, since, { container: { [id]: true }, event: { exec_start: true } }),
    (events) => events.length
  )

const Main = Schema.Struct({ State: Schema.Struct({ Pid: Schema.Int }) })

/** Runs a program of the node in a container's network. */
const insideOf = Effect.fnUntraced(function* (node: ClusterNode, id: string, argv: ReadonlyArray<string>) {
  const { State } = yield* get(node.socket, `/containers/${id}/json`, Main)
  return yield* node.exec(["nsenter", "--net", "--target", String(State.Pid), ...argv])
})

/** Waits until every node has an agent again. Asks the engines first: `agent status` is a program. */
const allUp = Effect.gen(function* () {
  const { nodes } = yield* SwarmCluster
  const orElse = Effect.die("the agents do not come back")
  const areThere = Effect.map(Effect.forEach(nodes, agentsOn), (all) => all.every(({ length }) => length > 0))
  yield* pollUntil(areThere, { every: 100, atMost: 120_000, orElse })
  const areUp = Effect.map(taskExec(["agent", "status"]), ({ code }) => code === 0)
  yield* pollUntil(areUp, { every: 300, atMost: 120_000, orElse })
})

const Configs = Schema.Array(Schema.Struct({ Spec: Schema.Struct({ Name: Schema.String }) }))

/** The names of the configs with the callers' keys. */
const keysOf = ({ manager }: SwarmCluster["Service"]) =>
  Effect.map(
    get(manager.socket, "/configs", Configs, { query: { filters: JSON.stringify({ label: ["task-exec.agent"] }) } }),
    (found) => found.map(({ Spec }) => Spec.Name)
  )

/** `docker service update`, as an administrator runs it. */
const update = (...flags: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const { manager } = yield* SwarmCluster
    const { code, stderr } = yield* shell(`docker service update --quiet ${flags.join(" ")} task-exec-agent`, {
      env: { DOCKER_HOST: manager.dockerHost }
    })
    assert.strictEqual(code, 0, stderr)
  })

layer(SwarmCluster.layerShared, { excludeTestServices: true, timeout: "180 seconds" })("task-exec agent", (it) => {
  it.effect("up and down can be repeated, status lists the agents, and nothing is left", () =>
    Effect.gen(function* () {
      const cluster = yield* SwarmCluster
      const none = yield* taskExec(["agent", "status"])
      assert.deepStrictEqual(
        [none.code, none.stdout.toString()],
        [1, "no agents (to deploy them: task-exec agent up)\n"]
      )
      const first = yield* taskExec(["agent", "up"])
      assert.match(first.stdout.toString(), /^agents created on 3 nodes \(version \S+\)\n$/, first.stderr)
      const second = yield* taskExec(["agent", "up"])
      assert.match(second.stdout.toString(), /^agents unchanged on 3 nodes /, second.stderr)
      const status = yield* taskExec(["agent", "status"])
      assert.strictEqual(status.code, 0)
      assert.match(
        status.stdout.toString(),
        /^NODE +STATE +VERSION\nnode-1 +running +\S+\nnode-2 +running +\S+\nnode-3 +running +\S+\n$/
      )
      assert.isNotEmpty(yield* agentObjects(cluster))
      for (let times = 0; times < 2; times++) {
        const down = yield* taskExec(["agent", "down"])
        assert.deepStrictEqual([down.code, down.stdout.toString(), down.stderr], [0, "agents removed\n", ""])
        const gc = yield* taskExec(["gc", "--dry-run"])
        assert.strictEqual(gc.code, 0, gc.stdout.toString())
      }
      yield* pollUntil(
        Effect.map(agentObjects(cluster), (objects) => objects.length === 0),
        { atMost: 120_000, orElse: Effect.flatMap(agentObjects(cluster), (left) => Effect.die(left.join(", "))) }
      )
    })
  )

  it.effect("up finds the key of an agent whose node was unreachable", () =>
    Effect.gen(function* () {
      const { link, manager, nodes } = yield* SwarmCluster
      const worker = nodes.find(({ role }) => role === "worker") ?? manager
      const becomes = (wanted: string) =>
        pollUntil(
          Effect.map(
            get(manager.socket, `/nodes/${worker.nodeId}`, NodeState),
            ({ Status }) => Status.State === wanted
          ),
          { atMost: 120_000, orElse: Effect.die(`${worker.name} does not become ${wanted}`) }
        )
      // After this, managers with engine 20.10 read none of its logs to the end.
      yield* Effect.acquireUseRelease(
        link(worker, "down"),
        () => becomes("down"),
        () => Effect.orDie(link(worker, "up"))
      )
      yield* becomes("ready")
      const up = yield* taskExec(["agent", "up"])
      assert.match(up.stdout.toString(), /^agents created on 3 nodes \(version \S+\)\n$/, up.stderr)
      assert.strictEqual((yield* taskExec(["agent", "down"])).code, 0)
    })
  )

  it.effect("an agent that is stopped before it listens ends at once", () =>
    Effect.gen(function* () {
      const { manager, nodes } = yield* SwarmCluster
      const image = yield* lateImage
      const node = nodes.at(-1) ?? manager
      const up = yield* Effect.forkChild(taskExec(["agent", "up", "--image", image]))
      const found = Effect.map(agentsOn(node), ([id]) => Option.fromUndefinedOr(id))
      const early = yield* poll(found, { every: 20, atMost: 120_000, orElse: Effect.die("no agent came") })
      yield* request(node.socket, "POST", `/containers/${early}/kill`, { query: { signal: "TERM" } })
      yield* pollUntil(
        Effect.map(agentsOn(node), (ids) => !ids.includes(early)),
        { atMost: 120_000, orElse: Effect.die("the agent continues to run") }
      )
      // Swarm starts a replacement.
      assert.strictEqual((yield* Fiber.join(up)).code, 0)
      assert.strictEqual((yield* taskExec(["agent", "down"])).code, 0)
    })
  )

  it.effect("explains wrong usage, and an image that does not exist", () =>
    Effect.gen(function* () {
      for (const args of [[], ["sideways"], ["up", "down"], ["status", "--image", "x"], ["up", "--json"]]) {
        const { code, stderr } = yield* taskExec(["agent", ...args])
        assert.strictEqual(code, 2, args.join(" "))
        assert.match(stderr, /^task-exec agent: .*\nSee 'task-exec agent --help'\.\n$/)
      }
      const { code, stderr } = yield* taskExec(["agent", "up", "--image", "127.0.0.1:1/none:1"])
      assert.strictEqual(code, 125)
      assert.match(
        stderr,
        /^task-exec agent: cannot start agents on node-\d \(.*none.*\), .*: not ready after \d+ s\. Run "task-exec doctor"/
      )
      assert.strictEqual((yield* taskExec(["agent", "down"])).code, 0)
      // Engine 20.10 may list the network for half a minute more.
      const up = yield* taskExec(["agent", "up"])
      assert.match(up.stdout.toString(), /^agents created on /, up.stderr)
      assert.strictEqual((yield* taskExec(["agent", "down"])).code, 0)
    })
  )
})

layer(Web.layer("served").pipe(Layer.provideMerge(SwarmCluster.layerShared)), {
  excludeTestServices: true,
  timeout: "180 seconds"
})("task-exec agent down", (it) => {
  it.effect("down fails while an agent serves a command, which continues, and succeeds after it", () =>
    Effect.gen(function* () {
      const web = yield* Web
      const target = web.target(web.remote)
      assert.strictEqual((yield* taskExec(["agent", "up"])).code, 0)
      const isUp = yield* Latch.make()
      const script = "echo up; while [ ! -e /tmp/go ]; do sleep 0.1; done; echo done; exit 7"
      const command = yield* Effect.forkChild(
        taskExec(["--via", "agent", target, "sh", "-c", script], { onOutput: () => isUp.openUnsafe() })
      )
      yield* isUp.await
      const busy = yield* taskExec(["agent", "down"])
      assert.deepStrictEqual([busy.code, busy.stdout.toString()], [125, ""], busy.stderr)
      assert.match(busy.stderr, /^task-exec agent: cannot remove the agents' network: agents still serve commands/)
      assert.strictEqual((yield* taskExec(["--via", "helper", target, "touch", "/tmp/go"])).code, 0)
      const served = yield* Fiber.join(command)
      assert.deepStrictEqual([served.code, served.stdout.toString()], [7, "up\ndone\n"], served.stderr)
      const down = yield* taskExec(["agent", "down"])
      assert.deepStrictEqual([down.code, down.stdout.toString()], [0, "agents removed\n"], down.stderr)
      const gc = yield* taskExec(["gc", "--dry-run"])
      assert.strictEqual(gc.code, 0, gc.stdout.toString())
    })
  )
})

layer(Library.pipe(Layer.provideMerge(Web.layer("agents")), Layer.provideMerge(Agents)), {
  excludeTestServices: true,
  timeout: "180 seconds"
})("a run by agents", (it) => {
  const remote = Effect.map(Web, (web) => ({ web, node: web.nodeOf(web.remote), target: web.target(web.remote) }))
  const routeOf = (stderr: string) => /, route (\S+)\n/.exec(stderr)?.[1]

  it.effect("is the default for other nodes, but not for tasks of the connected engine", () =>
    Effect.gen(function* () {
      const { target, web } = yield* remote
      const there = yield* taskExec(["--debug", "-i", target, "sh", "-c", "cat; exit 3"], { input: "a\0b" })
      assert.deepStrictEqual([there.code, there.stdout.toString(), routeOf(there.stderr)], [3, "a\0b", "agent"])
      const here = yield* taskExec(["--debug", web.target(web.local), "true"])
      assert.deepStrictEqual([here.code, routeOf(here.stderr)], [0, "local"])
      const asked = yield* taskExec(["--debug", "--via", "agent", web.target(web.local), "echo", "here"])
      assert.deepStrictEqual([asked.stdout.toString(), routeOf(asked.stderr)], ["here\n", "agent"])
      const helper = yield* taskExec(["--debug", "--via", "helper", target, "true"])
      assert.deepStrictEqual([helper.code, routeOf(helper.stderr)], [0, "helper"])
      const { exitCode, route } = yield* TaskExec.run({ target, command: ["true"] })
      assert.deepStrictEqual([exitCode, route], [0, "agent"])
    })
  )

  it.effect("gives a shell its terminal: prompt, size, keys, exit code", () =>
    Effect.gen(function* () {
      const { target } = yield* remote
      const { manager } = yield* SwarmCluster
      const pty = yield* openPty([process.execPath, join(dist, "task-exec.cjs"), "-it", target, "sh"], {
        env: { DOCKER_HOST: manager.dockerHost, TERM: "xterm" },
        rows: 31,
        columns: 91
      })
      yield* pty.see(/# /)
      pty.type("stty size; echo got $((40 + 2))\r")
      yield* pty.see(/\n31 91\r\ngot 42\r\n/)
      pty.type("exit 3\r")
      const { after, before, code, shown } = yield* pty.end
      assert.deepStrictEqual([code, after], [3, before], withoutStageLine(shown))
    }).pipe(Effect.scoped)
  )

  it.effect("carries 50 MB in both directions at once, a fan-out and a copy", () =>
    Effect.gen(function* () {
      const { target, web } = yield* remote
      const { manager } = yield* SwarmCluster
      const env = { DOCKER_HOST: manager.dockerHost, TARGET: target }
      const both = yield* shell(
        `D=$(mktemp -d); head -c 50000000 /dev/urandom > $D/in
        task-exec --via agent -i $TARGET cat < $D/in | cmp - $D/in && echo same
        task-exec cp $D/in $TARGET:/tmp/in && task-exec cp $TARGET:/tmp/in - | tar -xO | cmp - $D/in && echo copied
        rm -r $D`,
        { env }
      )
      assert.strictEqual(both.stdout.toString(), "same\ncopied\n", both.stderr)
      const all = yield* taskExec(["--all", "--output", "json", web.name, "hostname"])
      assert.strictEqual(all.code, 0, all.stderr)
      assert.lengthOf(all.stdout.toString().match(/"result":"exited"/g) ?? [], web.tasks.length)
    })
  )

  for (const [name, run, execs] of [
    ["by a process in the entry agent", taskExec, 1],
    ["by the entry agent's socket", onManager, 0]
  ] as const) {
    it.effect(`${name}: bytes in both directions, and the exit code`, () =>
      Effect.gen(function* () {
        const { target } = yield* remote
        const { manager } = yield* SwarmCluster
        const [agent = ""] = yield* agentsOn(manager)
        const since = Date.now()
        const input = randomBytes(20_000_000)
        const { code, stderr, stdout } = yield* run(["--via", "agent", "-i", target, "sh", "-c", "cat; exit 3"], {
          input
        })
        assert.deepStrictEqual([code, stderr], [3, ""])
        assert.strictEqual(sha256(stdout), sha256(input))
        assert.strictEqual(yield* execsIn(manager, agent, since), execs)
      })
    )

    it.effect(
      `${name}: after kill -9 of the agent the outcome is unknown, the command is killed, and the next command runs`,
      () =>
        Effect.gen(function* () {
          const { node, target } = yield* remote
          let killed = false
          const { code, stderr, stdout } = yield* run([target, "sh", "-c", "echo up; sleep 4321"], {
            onOutput: () => {
              if (!killed) Effect.runFork(killAgent(node))
              killed = true
            }
          })
          assert.deepStrictEqual([code, stdout.toString()], [125, "up\n"], stderr)
          assert.match(stderr, /lost the connection to node /)
          yield* allUp
          assert.strictEqual(routeOf((yield* run(["--debug", target, "true"])).stderr), "agent")
        })
    )

    it.effect(`${name}: the agent kills the command of a killed caller`, () =>
      Effect.gen(function* () {
        const { target } = yield* remote
        const script = "trap '' TERM; echo up; sleep 4321 & sleep 4321"
        const { signal } = yield* run(["--grace", "1s", target, "sh", "-c", script], {
          onOutput: (_, kill) => kill("SIGKILL")
        })
        // The check after this test would find leftovers of the command.
        assert.strictEqual(signal, "SIGKILL")
      })
    )

    it.effect(`${name}: the next agent kills the command after kill -9 of caller and agent`, () =>
      Effect.gen(function* () {
        const { node, target } = yield* remote
        const killed = Deferred.makeUnsafe<void>()
        const { signal } = yield* run([target, "sh", "-c", "echo up; sleep 4321 & sleep 4321"], {
          onOutput: (_, kill) => {
            // Stopped, so that neither notices that the other one is gone and ends the command.
            kill("SIGSTOP")
            const both = Effect.andThen(
              killAgent(node),
              Effect.sync(() => kill("SIGKILL"))
            )
            Effect.runFork(Deferred.into(Effect.orDie(both), killed))
          }
        })
        yield* Deferred.await(killed)
        assert.strictEqual(signal, "SIGKILL")
        yield* allUp
      })
    )
  }

  it.effect("both ways: commands continue through a new key and a new service, and later commands run", () =>
    Effect.gen(function* () {
      const { target } = yield* remote
      const cluster = yield* SwarmCluster
      const before = yield* keysOf(cluster)
      const commands = yield* Effect.forEach(
        [taskExec, onManager],
        Effect.fnUntraced(function* (run, at) {
          const isUp = Deferred.makeUnsafe<void>()
          const go = `/tmp/go-${at}`
          const script = `echo up; until [ -e ${go} ]; do sleep 0.1; done; rm ${go}; echo done`
          const running = yield* Effect.forkChild(
            run([target, "sh", "-c", script], { onOutput: () => Deferred.doneUnsafe(isUp, Effect.void) })
          )
          yield* Deferred.await(isUp)
          return { run, go, running }
        })
      )
      const up = yield* taskExec(["agent", "up", "--rotate-key"])
      assert.match(up.stdout.toString(), /^agents updated on /, up.stderr)
      const after = yield* keysOf(cluster)
      assert.lengthOf(after, 1)
      assert.notDeepEqual(after, before)
      for (const { go, run, running } of commands) {
        const next = yield* run(["--debug", target, "touch", go])
        assert.deepStrictEqual([next.code, routeOf(next.stderr)], [0, "agent"], next.stderr)
        const { code, stdout } = yield* Fiber.join(running)
        assert.deepStrictEqual([code, stdout.toString()], [0, "up\ndone\n"])
      }
    })
  )

  it.effect("the successor of a killed agent kills its running commands, but no detached and no other process", () =>
    Effect.gen(function* () {
      const { node, target, web } = yield* remote
      const { manager } = yield* SwarmCluster
      const sleeping = Effect.map(
        node.exec(["sh", "-c", "pgrep -f -x 'sleep 43[0-9]{3}' -a | sed 's/.* //' | sort"]),
        (text) => text.trim().split("\n")
      )
      const others = ["43001", "43002", "43003", "43004"]
      yield* Effect.addFinalizer(() => Effect.ignore(node.exec(["pkill", "-KILL", "-f", "-x", "sleep 43[0-9]{3}"])))
      const detached = yield* taskExec(["--via", "agent", "-d", target, "sleep", "43001"])
      assert.strictEqual(detached.code, 0, detached.stderr)
      const pty = yield* openPty(
        [
          process.execPath,
          join(dist, "task-exec.cjs"),
          "--via",
          "agent",
          "-it",
          target,
          "sh",
          "-c",
          "echo up; sleep 43002"
        ],
        { env: { DOCKER_HOST: manager.dockerHost, TERM: "xterm" } }
      )
      yield* pty.see(/up\r\n/)
      pty.type("\u0010\u0011")
      assert.strictEqual((yield* pty.end).code, 0)
      // A shell with the marks of another agent, started by an administrator, and one in a container.
      const marks = `TASK_EXEC_AGENT=0123456789ab TASK_EXEC_RUN=${"x".repeat(26)}`
      yield* node.exec(["sh", "-c", "TASK_EXEC_AGENT=0123456789ab setsid sleep 43003 < /dev/null > /dev/null 2>&1 &"])
      yield* execIn(node.socket, web.remote.containerId, ["sh", "-c", `${marks} setsid sleep 43004 > /dev/null 2>&1 &`])

      const killed = Deferred.makeUnsafe<void>()
      yield* taskExec(["--via", "agent", target, "sh", "-c", "echo up; sleep 43005"], {
        onOutput: (_, kill) => {
          // Stopped, so that neither notices that the other one is gone and ends the command.
          kill("SIGSTOP")
          const both = Effect.andThen(
            killAgent(node),
            Effect.sync(() => kill("SIGKILL"))
          )
          Effect.runFork(Deferred.into(Effect.orDie(both), killed))
        }
      })
      yield* Deferred.await(killed)
      yield* pollUntil(
        Effect.map(sleeping, (left) => !left.includes("43005")),
        { atMost: 120_000, orElse: Effect.die("the next agent does not end the command") }
      )
      assert.deepStrictEqual(yield* sleeping, others)
      yield* allUp
    }).pipe(Effect.scoped)
  )

  // The kernel's response for a port without a listener.
  const rule = ["INPUT", "-p", "tcp", "--dport", "7788", "-j", "REJECT", "--reject-with", "tcp-reset"]

  it.effect("the entry agent waits for an agent that does not listen yet", () =>
    Effect.gen(function* () {
      const { node, target } = yield* remote
      const [agent = ""] = yield* agentsOn(node)
      const inside = (...args: ReadonlyArray<string>) => insideOf(node, agent, ["iptables", ...args])
      const isRefusedTwice = Effect.map(inside("-v", "-n", "-x", "-L", "INPUT"), (text) =>
        /^\s*([2-9]|\d{2,})\s.*REJECT/m.test(text)
      )
      for (const run of [taskExec, onManager]) {
        yield* inside("-I", ...rule)
        const [{ code, stderr }] = yield* Effect.all(
          [
            run(["--via", "agent", target, "true"]),
            Effect.ensuring(
              pollUntil(isRefusedTwice, { atMost: 120_000, orElse: Effect.die("no agent was tried twice") }),
              Effect.orDie(inside("-D", ...rule))
            )
          ],
          { concurrency: 2 }
        )
        assert.deepStrictEqual([code, stderr], [0, ""])
      }
    })
  )

  it.effect("the entry agent reports an agent that does not listen", () =>
    Effect.gen(function* () {
      const { node, target } = yield* remote
      const [agent = ""] = yield* agentsOn(node)
      const inside = (action: string) => insideOf(node, agent, ["iptables", action, ...rule])
      for (const run of [taskExec, onManager]) {
        const { code, stderr } = yield* Effect.acquireUseRelease(
          inside("-I"),
          () => run(["--via", "agent", target, "true"]),
          () => Effect.orDie(inside("-D"))
        )
        assert.strictEqual(code, 125)
        assert.match(
          stderr,
          new RegExp(
            `^task-exec: cannot reach node ${node.name} through an agent: .*(ECONNREFUSED|does not respond|no response)`
          )
        )
      }
    })
  )

  it.effect("becomes one by a helper where no agent speaks this protocol, until up deploys one", () =>
    Effect.gen(function* () {
      const { node, target } = yield* remote
      const viaHelper = Effect.gen(function* () {
        const auto = yield* taskExec(["--debug", target, "echo", "there"])
        assert.deepStrictEqual([auto.code, auto.stdout.toString(), routeOf(auto.stderr)], [0, "there\n", "helper"])
        const asked = yield* taskExec(["--via", "agent", target, "true"])
        assert.strictEqual(asked.code, 125)
        return [auto.stderr, asked.stderr] as const
      })
      yield* update("--constraint-add", `node.hostname!=${node.name}`)
      yield* pollUntil(
        Effect.map(agentsOn(node), ({ length }) => length === 0),
        { every: 100, atMost: 120_000, orElse: Effect.die("its agent continues to run") }
      )
      const [debug, error] = yield* viaHelper
      assert.match(debug, /cannot use an agent: the node has no running agent; using a helper/)
      assert.match(
        error,
        new RegExp(
          `^task-exec: cannot reach node ${node.name} through an agent: the node has no running agent\\. Run "task-exec agent status"`
        )
      )
      yield* update("--constraint-rm", `node.hostname!=${node.name}`)
      yield* allUp

      const label = "task-exec.agent.protocol=0"
      yield* update("--label-add", label, "--container-label-add", label)
      yield* allUp
      assert.match(
        (yield* viaHelper)[1],
        / with protocol 0, and this task-exec uses protocol \d+ \("task-exec agent up" updates them\)/
      )
      const up = yield* taskExec(["agent", "up"])
      assert.match(up.stdout.toString(), /^agents updated on /, up.stderr)
      assert.strictEqual(routeOf((yield* taskExec(["--debug", target, "true"])).stderr), "agent")
    })
  )
})
