/** Root on a worker gains nothing on other nodes from agents. */
import { assert, layer } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { deriveKey, type KeyPair, makeKeyPair, readKeyPair } from "../../src/agent/AgentKeys.ts"
import { requestChannel } from "../../src/agent/AgentProtocol.ts"
import { AgentRequest } from "../../src/agent/AgentRequest.ts"
import { protocolVersion } from "../../src/carrier/Frame.ts"
import { encodeFrame } from "../../src/carrier/TunnelFrame.ts"
import { makeRunId } from "../../src/Labels.ts"
import { get } from "../cluster/EngineApi.ts"
import { execIn } from "../cluster/Services.ts"
import { type ClusterNode, SwarmCluster } from "../cluster/SwarmCluster.ts"
import type { TriedKey } from "./Attacker.ts"
import {
  agentOn,
  agentsOn,
  attackFrom,
  attackOnce,
  callersKeys,
  type KnownAgent,
  logOf,
  redirected,
  until
} from "./Attacks.ts"
import { Agents, checkLeftovers, onManager, taskExec, Web } from "./Harness.ts"

checkLeftovers()

const port = 7788
const identity = `task-exec-agent/${protocolVersion}`

/** The key of connections to an agent, as its own node or a caller derives it. */
const keyOf = (own: KeyPair, side: "caller" | "agent", other: string, agent: KnownAgent): ReadonlyArray<TriedKey> => {
  const scope = {
    deployment: agent.labels["task-exec.agent.network"] ?? "",
    node: agent.node.nodeId,
    task: agent.task
  }
  const derived = deriveKey(own, side, other, scope)
  return Result.isFailure(derived)
    ? []
    : [{ identity: derived.success.identity, key: Buffer.from(derived.success.key).toString("hex") }]
}

const hexOf = (text: string, encoding: BufferEncoding) => Buffer.from(text, encoding).toString("hex")
const pairOf = (text: string) => Result.getOrThrow(readKeyPair(text))

const encodeRequest = Schema.encodeSync(Schema.fromJsonString(AgentRequest))

/** The bytes of a request to run a command in a container of an agent's node. */
const requestFor = (node: ClusterNode, container: string, command: readonly [string, ...ReadonlyArray<string>]) => {
  const runId = makeRunId()
  const text = encodeRequest({
    protocol: protocolVersion,
    node: node.nodeId,
    owner: { runId, deadline: Date.now() + 60_000, creator: "attacker:1" },
    who: { host: "attacker" },
    work: {
      _tag: "Exec",
      specs: [
        {
          runId,
          container,
          command,
          env: [],
          privileged: false,
          stdin: false,
          detach: true,
          signal: "SIGTERM",
          grace: 0,
          policy: {}
        }
      ],
      begin: [0]
    }
  })
  return Buffer.concat(encodeFrame({ _tag: "Document", channel: requestChannel, text })).toString("hex")
}

/** The private half of an agent's key pair, from its process's memory. */
const stealKey = Effect.fnUntraced(function* (agent: KnownAgent) {
  const found = yield* attackOnce(agent, { _tag: "Memory", pid: agent.pid, publicKey: agent.key })
  assert.isString(found, "the agent's own key is in its memory")
  const header = Buffer.from("302e020100300506032b656e04220420", "hex")
  return pairOf(Buffer.concat([header, Buffer.from(String(found), "hex")]).toString("base64"))
})

layer(Layer.provideMerge(Web.layer("secure"), Agents), { excludeTestServices: true, timeout: "300 seconds" })(
  "root on a worker",
  (it) => {
    /** The untrusted worker, the node that it attacks, and the node of the caller. */
    const stage = Effect.gen(function* () {
      const web = yield* Web
      const { manager, nodes } = yield* SwarmCluster
      const target = web.remote
      const victimNode = web.nodeOf(target)
      const worker = nodes.find(({ nodeId }) => nodeId !== manager.nodeId && nodeId !== victimNode.nodeId)
      assert.isDefined(worker)
      const [own, victim, here] = yield* Effect.all([agentOn(worker), agentOn(victimNode), agentOn(manager)])
      return { own, victim, here, manager, target, name: web.target(target), container: target.containerId }
    })

    const run = (name: string, ...command: ReadonlyArray<string>) => taskExec(["--via", "agent", name, ...command])
    /** Runs a script in the victim's task without task-exec. */
    const inTask = (script: string) =>
      Effect.flatMap(Web, (web) => execIn(web.nodeOf(web.remote).socket, web.remote.containerId, ["sh", "-c", script]))
    /** How often the attacker's command ran in the victim's task. */
    const times = Effect.map(inTask("cat /tmp/times 2>/dev/null | wc -l"), ({ stdout }) => Number(stdout))
    const forget = inTask("rm -f /tmp/times")

    it.effect("cannot make the agent of another node run anything, with all secrets and files of its node", () =>
      Effect.gen(function* () {
        const { container, manager, own, victim, here } = yield* stage
        yield* forget
        const stolen = yield* stealKey(own)
        const callers = own.labels["task-exec.agent.key"] ?? ""
        const knock = (
          agent: KnownAgent,
          keys: ReadonlyArray<TriedKey>,
          command: readonly [string, ...ReadonlyArray<string>]
        ) =>
          attackOnce(own, {
            _tag: "Knock",
            at: { host: agent.host, port },
            keys,
            request: requestFor(agent.node, agent === victim ? container : agent.container, command)
          })
        for (const agent of [victim, here]) {
          const keys = [
            ...keyOf(stolen, "caller", agent.key, agent),
            ...keyOf(stolen, "agent", agent.key, agent),
            ...keyOf(stolen, "agent", callers, agent),
            ...keyOf(stolen, "agent", callers, own),
            ...keyOf(makeKeyPair(), "caller", agent.key, agent),
            ...[callers, agent.key, own.key].map((text) => ({ identity, key: hexOf(text, "base64url") })),
            { identity: "task-exec", key: hexOf(callers, "base64url") }
          ]
          assert.isAtLeast(keys.length, 9)
          assert.deepStrictEqual(
            yield* knock(agent, keys, ["sh", "-c", "echo 1 >> /tmp/times"]),
            keys.map(() => false)
          )
          assert.match(yield* logOf(agent.node, agent.container), new RegExp(`refused \\S*${own.host}: `))
        }
        assert.strictEqual(yield* times, 0)
        // The same request with the callers' key succeeds, so the attack is a real one.
        const [text = ""] = yield* callersKeys
        const theirs = keyOf(pairOf(text), "caller", victim.key, victim)
        assert.deepStrictEqual(yield* knock(victim, theirs, ["sh", "-c", "echo 1 >> /tmp/times"]), [true])
        yield* until(
          Effect.map(times, (count) => count === 1),
          "what the callers' key does"
        )
        assert.strictEqual(manager.nodeId, here.node.nodeId)
      })
    )

    it.effect("finds no secret, config or file of the agents, and never the callers' private key", () =>
      Effect.gen(function* () {
        const { own, manager } = yield* stage
        const Spec = Schema.Struct({
          Spec: Schema.Struct({
            TaskTemplate: Schema.Struct({ ContainerSpec: Schema.Record(Schema.String, Schema.Unknown) })
          })
        })
        const { Spec: spec } = yield* get(manager.socket, "/services/task-exec-agent", Spec)
        const { Configs, Secrets } = spec.TaskTemplate.ContainerSpec
        assert.deepStrictEqual([Secrets ?? [], Configs ?? []], [[], []])
        const [text = ""] = yield* callersKeys
        const raw = Buffer.from(text, "base64").subarray(-32)
        for (const bytes of [raw, Buffer.from(text), Buffer.from(raw.toString("base64url"))]) {
          const found = yield* attackOnce(own, { _tag: "Find", pid: own.pid, bytes: bytes.toString("hex") })
          assert.strictEqual(found, false)
        }
        // The search finds a key that is there.
        const known = Buffer.from(own.key).toString("hex")
        assert.strictEqual(yield* attackOnce(own, { _tag: "Find", pid: own.pid, bytes: known }), true)
        const secrets = yield* own.node.exec(["sh", "-c", `ls /proc/${own.pid}/root/run/secrets 2>/dev/null || true`])
        assert.strictEqual(secrets, "")
        const files = yield* own.node.exec([
          "sh",
          "-c",
          `grep -rlF '${text}' /run /var/lib/docker/swarm /var/lib/docker/containers 2>/dev/null || true`
        ])
        assert.strictEqual(files, "")
      })
    )

    it.effect("cannot pose as the agent of another node, even if it receives that node's traffic", () =>
      Effect.gen(function* () {
        const { here, name, own, victim } = yield* stage
        const stolen = yield* stealKey(own)
        const callers = own.labels["task-exec.agent.key"] ?? ""
        // In the log of the worker's own agent: the forged line itself, and the line with the prefix of a manager.
        const details = `com.docker.swarm.node.id=${victim.node.nodeId},com.docker.swarm.service.id=s,com.docker.swarm.task.id=${victim.task}`
        for (const line of [`agent key ${own.key}`, `${details} agent key ${own.key}`])
          yield* own.node.exec(["sh", "-c", `echo '${line}' > /proc/${own.pid}/fd/1`])
        const keys = [
          ...keyOf(stolen, "agent", callers, victim),
          ...keyOf(stolen, "agent", callers, own),
          ...keyOf(stolen, "agent", victim.key, victim),
          ...keyOf(makeKeyPair(), "agent", callers, victim)
        ].map(({ key }) => key)
        const posing = yield* attackFrom(own, { _tag: "Pose", port: port + 1, keys })
        assert.strictEqual(yield* posing.next, "listening")
        yield* redirected(here, victim, own, port + 1)
        for (const _ of keys) {
          const { code, stderr, stdout } = yield* run(name, "echo", "secret")
          assert.deepStrictEqual([code, stdout.toString()], [125, ""])
          assert.match(stderr, /by an agent|through an agent/)
          assert.strictEqual(yield* posing.next, "not believed")
        }
      }).pipe(Effect.scoped)
    )

    it.effect("gains nothing from recorded or withheld messages", () =>
      Effect.gen(function* () {
        const { here, manager, name, own, victim } = yield* stage
        yield* forget
        const count = ["sh", "-c", "echo 1 >> /tmp/times; sync"]
        yield* Effect.gen(function* () {
          const replay = yield* attackFrom(own, { _tag: "Replay", port: port + 2, to: { host: victim.host, port } })
          assert.strictEqual(yield* replay.next, "listening")
          yield* redirected(here, victim, own, port + 2)
          assert.strictEqual((yield* run(name, ...count)).code, 0)
          assert.strictEqual(yield* replay.next, "ended")
          yield* replay.tell
          assert.strictEqual(yield* replay.next, "replayed")
        }).pipe(Effect.scoped)
        assert.strictEqual(yield* times, 1)

        yield* Effect.gen(function* () {
          const delay = yield* attackFrom(own, { _tag: "Delay", port: port + 3, to: { host: victim.host, port } })
          assert.strictEqual(yield* delay.next, "listening")
          yield* redirected(here, victim, own, port + 3)
          const killCaller = Deferred.makeUnsafe<(signal: NodeJS.Signals) => void>()
          const caller = yield* Effect.forkChild(
            taskExec(["--via", "agent", name, ...count], {
              onStart: (kill) => Deferred.doneUnsafe(killCaller, Effect.succeed(kill))
            })
          )
          assert.strictEqual(yield* delay.next, "kept")
          const kill = yield* Deferred.await(killCaller)
          kill("SIGKILL")
          yield* Fiber.join(caller)
          // The agent disconnects because nothing arrives. The withheld bytes are sent after that.
          let printed = yield* delay.next
          while (printed === "kept") printed = yield* delay.next
          assert.strictEqual(printed, "delivered")
        }).pipe(Effect.scoped)
        assert.strictEqual(yield* times, 1)
        assert.strictEqual(manager.nodeId, here.node.nodeId)
      })
    )

    it.effect("cannot block callers with silent connections", () =>
      Effect.gen(function* () {
        const { name, own, victim } = yield* stage
        const holding = yield* attackFrom(own, { _tag: "Hold", at: { host: victim.host, port }, count: 1200 })
        assert.strictEqual(yield* holding.next, "held")
        for (let at = 0; at < 3; at++) {
          const { code, stderr } = yield* run(name, "true")
          assert.deepStrictEqual([code, stderr], [0, ""])
        }
        const lines = (yield* logOf(victim.node, victim.container)).split("\n")
        const refusals = lines.filter((line) => line.includes("too many connections are in the TLS handshake"))
        assert.isAtLeast(refusals.length, 1)
        assert.isAtMost(refusals.length, 100)
      }).pipe(Effect.scoped)
    )

    it.effect("cannot use a key from before --rotate-key, with new agents or with those that still serve", () =>
      Effect.gen(function* () {
        const { container, name, own, victim } = yield* stage
        yield* forget
        const [text = ""] = yield* callersKeys
        const old = pairOf(text)
        const [key] = keyOf(old, "caller", victim.key, victim)
        assert.isDefined(key)
        const request = requestFor(victim.node, container, ["sh", "-c", "echo 1 >> /tmp/times"])
        // From a network that exists for the whole test: that of an idle agent is removed when the agent is replaced.
        const lingering = yield* attackFrom(victim, { _tag: "Linger", at: { host: victim.host, port }, key, request })
        assert.strictEqual(yield* lingering.next, "in")
        // This connection keeps the previous agent on the node.
        const isUp = Deferred.makeUnsafe<void>()
        const script = "echo up; until [ -e /tmp/go ]; do sleep 0.1; done; rm /tmp/go"
        const running = yield* Effect.forkChild(
          taskExec(["--via", "agent", name, "sh", "-c", script], {
            onOutput: () => Deferred.doneUnsafe(isUp, Effect.void)
          })
        )
        yield* Deferred.await(isUp)
        const { code, stderr } = yield* taskExec(["agent", "up", "--rotate-key"])
        assert.deepStrictEqual([code, stderr], [0, ""])
        yield* lingering.tell
        assert.strictEqual(yield* lingering.next, "closed")
        assert.notDeepEqual(yield* callersKeys, [text])
        const agents = yield* agentsOn(victim.node)
        assert.lengthOf(agents, 2)
        const attacker = yield* agentOn(own.node)
        for (const agent of agents) {
          const keys = [key, ...keyOf(old, "caller", agent.key, agent)]
          assert.deepStrictEqual(
            yield* attackOnce(attacker, { _tag: "Knock", at: { host: agent.host, port }, keys, request }),
            keys.map(() => false)
          )
        }
        assert.strictEqual(yield* times, 0)
        yield* inTask("touch /tmp/go")
        assert.strictEqual((yield* Fiber.join(running)).code, 0)
      }).pipe(Effect.scoped)
    )

    it.effect("is in the log of the agent, as callers are: address, request and result", () =>
      Effect.gen(function* () {
        const { name, victim: before } = yield* stage
        const victim = yield* agentOn(before.node)
        const words = ["sh", "-c", "exit 3", "\u001b]52;c;x\u0007\u009b"]
        assert.strictEqual((yield* taskExec(["--via", "agent", "-e", "TOKEN=hidden", name, ...words])).code, 3)
        const said = yield* onManager(["--via", "agent", name, "no-such-program"])
        assert.strictEqual(said.code, 126)
        const log = yield* logOf(victim.node, victim.container)
        const records = log
          .split("\n")
          .flatMap((line) => (line.includes("{") ? [JSON.parse(line.slice(line.indexOf("{"))) as unknown] : []))
        const find = (part: string) => records.filter((record) => JSON.stringify(record).includes(part))
        const [begun] = find(JSON.stringify(words).slice(1, -1))
        assert.containSubset(begun, {
          event: "begin",
          action: "exec",
          command: words,
          env: ["TOKEN"],
          who: { uid: 0 },
          privileged: false
        })
        const Run = Schema.Struct({ run: Schema.String })
        const { run: id } = yield* Schema.decodeUnknownEffect(Run)(begun)
        assert.containSubset(find(id)[1], { event: "end", outcome: { exitCode: 3 } })
        const { run: other } = yield* Schema.decodeUnknownEffect(Run)(find("no-such-program")[0])
        assert.containSubset(find(other)[1], { event: "end", outcome: { error: "CommandNotFound" } })
        assert.notMatch(log, /hidden/)
        assert.notMatch(log, /[\u001b\u0007\u009b]/)
      })
    )
  }
)
