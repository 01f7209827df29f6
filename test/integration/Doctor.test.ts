import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import { type Check, Diagnosis } from "../../adapters/doctor/Check.ts"
import { version } from "../../src/Version.ts"
import { get, post, remove } from "../cluster/EngineApi.ts"
import { pollUntil } from "../cluster/Poll.ts"
import { type ClusterNode, SwarmCluster } from "../cluster/SwarmCluster.ts"
import { availability, checkLeftovers, type ProcessOptions, program } from "./Harness.ts"

checkLeftovers()

const doctor = Effect.fn("doctor")(function* (args: ReadonlyArray<string>, options: ProcessOptions = {}) {
  const { manager } = yield* SwarmCluster
  const env = { DOCKER_HOST: manager.dockerHost, ...options.env }
  const result = yield* program("task-exec.cjs", ["doctor", ...args], { ...options, env })
  return { ...result, stdout: result.stdout.toString() }
})

/** Parses the JSON document of a run. Asserts that its exit code matches. */
const diagnosis = Effect.fn("diagnosis")(function* (args: ReadonlyArray<string>, options: ProcessOptions = {}) {
  const { code, stderr, stdout } = yield* doctor(["--json", ...args], options)
  assert.strictEqual(stderr, "")
  const found = yield* Schema.decodeUnknownEffect(Schema.fromJsonString(Diagnosis))(stdout)
  assert.strictEqual(code, found.verdict === "fails" ? 1 : 0)
  return found
})

/** `overlay node-2 fails`. */
const short = ({ check, node, verdict }: Check): string =>
  [check, ...(node === undefined ? [] : [node.hostname]), verdict].join(" ")

/** The checks that failed or suggest something. */
const remarkable = (checks: ReadonlyArray<Check>) =>
  checks.filter(({ next, verdict }) => verdict !== "ok" || next !== undefined)

/** The program's clock is an hour ahead. */
const anHourAhead = {
  NODE_OPTIONS: "--import=data:text/javascript,const%20now=Date.now;Date.now=()=>now()+3600000"
}

const Created = Schema.Struct({ ID: Schema.String })

/** A leftover of a killed run. */
const leftover = Effect.gen(function* () {
  const { manager } = yield* SwarmCluster
  const Labels = {
    "task-exec.run": "doctortest",
    "task-exec.role": "request",
    "task-exec.deadline": "1700000000",
    "task-exec.creator": "elsewhere:1"
  }
  yield* Effect.acquireRelease(
    post(manager.socket, "/secrets/create", Created, { body: { Name: "doctortest", Labels, Data: "c2VjcmV0" } }),
    ({ ID }) => Effect.orDie(remove(manager.socket, `/secrets/${ID}`))
  )
})

/** Blocks overlay networks on this node until the scope closes. */
const blockOverlay = ({ exec }: ClusterNode) => {
  const rule = ["INPUT", "-p", "udp", "--dport", "4789", "-j", "DROP"]
  return Effect.acquireRelease(exec(["iptables", "-I", ...rule]), () => Effect.orDie(exec(["iptables", "-D", ...rule])))
}

layer(SwarmCluster.layerShared, { excludeTestServices: true, timeout: "180 seconds" })("task-exec doctor", (it) => {
  it.effect("passes all checks on every node of a healthy swarm", () =>
    Effect.gen(function* () {
      const { manager, nodes } = yield* SwarmCluster
      const found = yield* diagnosis([])
      assert.strictEqual(found.version, version)
      assert.deepStrictEqual(remarkable(found.checks), [])
      const ofNode = ["node", "platform", "helper", "version", "socket", "kill", "clock"]
      assert.deepStrictEqual(found.checks.map(short), [
        ...["engine", "swarm", "managers", "image"].map((check) => `${check} ok`),
        ...nodes.flatMap(({ name }) =>
          // The connected engine needs no network to itself.
          [...ofNode, ...(name === manager.name ? [] : ["overlay"])].map((check) => `${check} ${name} ok`)
        ),
        "leftovers ok"
      ])
      assert.deepStrictEqual([...new Set(found.checks.flatMap(({ node }) => node?.id ?? []))].length, nodes.length)
    })
  )

  it.effect("finds a drained node, a blocked overlay network, a wrong clock and a leftover", () =>
    Effect.gen(function* () {
      const { manager, nodes } = yield* SwarmCluster
      const [drained, blocked] = nodes.filter((node) => node !== manager)
      assert(drained !== undefined && blocked !== undefined)
      yield* availability(drained, "drain")
      yield* leftover
      yield* blockOverlay(blocked)
      const { checks } = yield* diagnosis([], { env: anHourAhead })
      const found = remarkable(checks)
      assert.deepStrictEqual(found.map(short), [
        `clock ${manager.name} fails`,
        `node ${drained.name} fails`,
        ...["helper", "version", "socket", "kill", "clock", "overlay"].map(
          (check) => `${check} ${drained.name} skipped`
        ),
        `clock ${blocked.name} fails`,
        `overlay ${blocked.name} fails`,
        "leftovers warning"
      ])
      const of = (name: string) => {
        const check = found.find((one) => short(one) === name)
        return `${check?.found}: ${check?.next}`
      }
      assert.match(of(`node ${drained.name} fails`), /drain.*: .*docker node update --availability active node-\d/)
      assert.match(of(`clock ${manager.name} fails`), /^3[56]\d\d\.\d s behind the caller's clock \(±\d+\.\d s.*NTP/)
      assert.match(of(`clock ${blocked.name} fails`), /^3[56]\d\d\.\d s behind the caller's clock \(±\d+\.\d s.*NTP/)
      assert.match(of(`overlay ${blocked.name} fails`), /cannot connect to the helper within \d+ s .*UDP 4789.*7946/)
      assert.match(of("leftovers warning"), new RegExp(`1 past their deadline.*${drained.name}.*task-exec gc`))
    }).pipe(Effect.scoped)
  )

  it.effect("shows only an unknown image with -q, with a next step", () =>
    Effect.gen(function* () {
      const { nodes, registry } = yield* SwarmCluster
      const { code, stderr, stdout } = yield* doctor(["-q", "--image", `${registry}/no-such-image:1`])
      assert.deepStrictEqual([code, stderr], [1, ""])
      const lines = stdout.split("\n")
      assert.strictEqual(lines.length, 2 * nodes.length + 1)
      for (const [at, { name }] of nodes.entries()) {
        assert.match(
          lines[2 * at] ?? "",
          new RegExp(`^fails +helper +${name}: cannot pull ${registry}/no-such-image:1: No such image`)
        )
        assert.match(
          lines[2 * at + 1] ?? "",
          /^ +Push it to a registry that node-\d can pull from, .*--image, TASK_EXEC_IMAGE/
        )
      }
    })
  )

  it.effect("fails one check without an engine or a manager, and skips the others", () =>
    Effect.gen(function* () {
      const { nodes } = yield* SwarmCluster
      const nobody = yield* doctor([], { env: { DOCKER_HOST: "tcp://127.0.0.1:1" } })
      assert.deepStrictEqual([nobody.code, nobody.stderr], [1, ""])
      assert.match(nobody.stdout, /^fails +engine +cannot connect to tcp:.*\n +start the engine, or choose another one/)
      assert.match(nobody.stdout, /\n6 checks: 1 fails, 5 skipped\n$/)
      const worker = nodes.find(({ role }) => role === "worker")
      const { checks } = yield* diagnosis([], { env: { DOCKER_HOST: worker?.dockerHost } })
      assert.deepStrictEqual(checks.map(short), [
        "engine ok",
        "swarm fails",
        ...["managers", "image", "node", "leftovers"].map((check) => `${check} skipped`)
      ])
      assert.match(checks[1]?.next ?? "", /^set DOCKER_HOST to a manager \(known managers: [\d.]+\)$/)
    })
  )

  it.effect("removes all objects at Ctrl-C while it tries a helper", () =>
    Effect.gen(function* () {
      const { manager, nodes } = yield* SwarmCluster
      const [blocked] = nodes.filter((node) => node !== manager)
      assert(blocked !== undefined)
      // The check waits for this node for 20 seconds.
      yield* blockOverlay(blocked)
      let interrupt: () => void = () => assert.fail("it was not started")
      const run = yield* Effect.forkScoped(
        doctor([], {
          onStart: (kill) => {
            interrupt = () => kill("SIGINT")
          }
        })
      )
      const query = { filters: JSON.stringify({ label: { "task-exec.role=relay": true } }) }
      const relays = get(manager.socket, "/containers/json", Schema.Array(Schema.Unknown), { query })
      yield* pollUntil(
        Effect.map(relays, ({ length }) => length > 0),
        { atMost: 120_000, orElse: Effect.die("it made no relay") }
      )
      interrupt()
      const { code, stdout } = yield* Fiber.join(run)
      assert.strictEqual(code, 130, stdout)
    }).pipe(Effect.scoped)
  )
})
