import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import { get, post, request } from "../cluster/EngineApi.ts"
import { engineProxy } from "../cluster/EngineProxy.ts"
import { poll, pollUntil } from "../cluster/Poll.ts"
import { execIn, type RunningTask } from "../cluster/Services.ts"
import { SwarmCluster } from "../cluster/SwarmCluster.ts"
import { checkLeftovers, lateImage, type ProcessResult, program, taskExec, Web } from "./Harness.ts"

checkLeftovers()

const Services = Schema.Array(
  Schema.Struct({
    ID: Schema.String,
    Version: Schema.Struct({ Index: Schema.Int }),
    Spec: Schema.Record(Schema.String, Schema.Unknown)
  })
)

/** The current helper. */
const findHelper = Effect.gen(function* () {
  const { manager } = yield* SwarmCluster
  const query = { filters: JSON.stringify({ label: { "task-exec.role=helper": true } }) }
  const [helper] = yield* get(manager.socket, "/services", Services, { query })
  assert(helper !== undefined)
  return helper
})

/** Changes the spec of the current helper's service. */
const updateHelper = (change: (spec: Readonly<Record<string, unknown>>) => Readonly<Record<string, unknown>>) =>
  Effect.gen(function* () {
    const { manager } = yield* SwarmCluster
    const { ID, Spec, Version } = yield* findHelper
    const query = { version: String(Version.Index) }
    yield* request(manager.socket, "POST", `/services/${ID}/update`, { query, body: change(Spec) })
  })

const Containers = Schema.Array(Schema.Struct({ Id: Schema.String }))
const Tasks = Schema.Array(Schema.Struct({ Status: Schema.Struct({ State: Schema.String }) }))

/** Waits until this many tasks of the helper have ended. */
const awaitEndedHelpers = (expected: number) =>
  Effect.gen(function* () {
    const { manager } = yield* SwarmCluster
    const { ID } = yield* findHelper
    const query = { filters: JSON.stringify({ service: { [ID]: true } }) }
    const ended = Effect.map(get(manager.socket, "/tasks", Tasks, { query }), (tasks) => {
      const over = tasks.filter(({ Status }) => ["complete", "failed", "shutdown", "rejected"].includes(Status.State))
      return over.length >= expected ? Option.some(over.length) : Option.none()
    })
    yield* poll(ended, { every: 100, atMost: 120_000, orElse: Effect.die("no second helper came and went") })
  })

const Created = Schema.Struct({ Id: Schema.String })
/** Creates a network of the node that has all addresses of a tunnel's possible networks, until the scope closes. */
const blockAddresses = (socket: string) =>
  Effect.acquireRelease(
    post(socket, "/networks/create", Created, {
      body: { Name: "block", Driver: "bridge", IPAM: { Config: [{ Subnet: "240.0.0.0/4" }] } }
    }),
    ({ Id }) => Effect.orDie(request(socket, "DELETE", `/networks/${Id}`))
  )

/** A command that answers its input, for which it needs its tunnel. */
const answer = ["sh", "-c", "echo up; read go; echo out; exit 7"]

layer(Web.layer("faults"), { excludeTestServices: true, timeout: "180 seconds" })("faults", (it) => {
  /** A run on another node that prints `up`, waits for `/tmp/go`, and writes a line to `/tmp/runs` when it starts and when it ends. */
  const recorded = <A, E, R>(meanwhile: Effect.Effect<A, E, R>) =>
    Effect.gen(function* () {
      const web = yield* Web
      const { containerId } = web.remote
      const { socket } = web.nodeOf(web.remote)
      yield* execIn(socket, containerId, ["rm", "-f", "/tmp/go", "/tmp/runs"])
      const up = yield* Latch.make()
      const script =
        "echo start >> /tmp/runs; echo up; until [ -e /tmp/go ]; do sleep 0.1; done; echo end >> /tmp/runs; echo done"
      const [result] = yield* Effect.all(
        [
          taskExec([web.target(web.remote), "sh", "-c", script], {
            onOutput: (output) => output === "up\n" && Latch.openUnsafe(up)
          }),
          up.await.pipe(Effect.andThen(meanwhile), Effect.andThen(execIn(socket, containerId, ["touch", "/tmp/go"])))
        ],
        { concurrency: 2 }
      )
      const runs = (yield* execIn(socket, containerId, ["cat", "/tmp/runs"])).stdout
      return { result, runs }
    })

  it.effect("a second helper that Swarm starts does not run the command, and the first continues", () =>
    Effect.gen(function* () {
      const two = { Replicated: { Replicas: 2 } }
      const second = updateHelper((spec) => ({ ...spec, Mode: two })).pipe(Effect.andThen(awaitEndedHelpers(1)))
      const { result, runs } = yield* recorded(second)
      assert.strictEqual(runs, "start\nend\n")
      assert.deepStrictEqual([result.code, result.stdout.toString(), result.stderr], [0, "up\ndone\n", ""])
    })
  )

  it.effect("a helper that replaces a killed one does not run the command again, and the outcome is unknown", () =>
    Effect.gen(function* () {
      const forced = updateHelper((spec) => {
        const template = spec.TaskTemplate
        assert(typeof template === "object" && template !== null)
        return { ...spec, TaskTemplate: { ...template, ForceUpdate: 1 } }
      })
      const { result, runs } = yield* recorded(forced.pipe(Effect.andThen(awaitEndedHelpers(2))))
      assert.strictEqual(runs, "start\n")
      assert.deepStrictEqual([result.code, result.stdout.toString()], [125, "up\n"])
      assert.match(result.stderr, /^task-exec: the outcome of the command is unknown: .*\n$/)
    })
  )

  it.effect("a helper that is stopped before it listens does not start the command", () =>
    Effect.gen(function* () {
      const web = yield* Web
      const { socket } = web.nodeOf(web.remote)
      const runs = execIn(socket, web.remote.containerId, ["cat", "/tmp/runs"])
      yield* execIn(socket, web.remote.containerId, ["sh", "-c", ": > /tmp/runs"])
      const image = yield* lateImage
      // A living caller would end the command.
      const caller = yield* Effect.forkChild(
        taskExec([
          ...["--image", image, "--timeout", "50s", web.target(web.remote)],
          ...["sh", "-c", "echo start >> /tmp/runs; sleep 3456"]
        ])
      )
      const query = { filters: JSON.stringify({ label: { "task-exec.role=helper": true } }) }
      const helpers = get(socket, "/containers/json", Containers, { query })
      const found = Effect.map(helpers, ([helper]) => Option.fromUndefinedOr(helper))
      const { Id } = yield* poll(found, { every: 20, atMost: 120_000, orElse: Effect.die("no helper came") })
      yield* request(socket, "POST", `/containers/${Id}/kill`, { query: { signal: "TERM" } })
      const { Spec } = yield* findHelper
      yield* Fiber.interrupt(caller)
      yield* pollUntil(
        Effect.map(helpers, (running) => running.length === 0),
        { atMost: 120_000, orElse: Effect.die("the helper continues to run") }
      )
      // The caller gets a guard only after a second.
      const gc = yield* taskExec(["gc", "--run", String(Spec.Name).replace("task-exec-", "")])
      assert.strictEqual(gc.code, 0, gc.stderr)
      assert.strictEqual((yield* runs).stdout, "")
    })
  )

  it.effect("an interrupt at any request leaves nothing, and sets the exit code", () =>
    Effect.gen(function* () {
      const web = yield* Web
      const { manager } = yield* SwarmCluster
      const run = (dockerHost: string, onStart?: (kill: (signal: NodeJS.Signals) => void) => void) =>
        program("task-exec.cjs", [web.target(web.remote), "sh", "-c", "sleep 0.5; exit 7"], {
          env: { DOCKER_HOST: dockerHost },
          ...(onStart === undefined ? {} : { onStart })
        })
      const interruptedAt = (at: number) =>
        Effect.gen(function* () {
          let kill: ((signal: NodeJS.Signals) => void) | undefined
          const proxy = yield* engineProxy(manager.socket, ({ count }) => {
            if (count === at) kill?.("SIGTERM")
            return "pass"
          })
          const result = yield* run(proxy.dockerHost, (given) => {
            kill = given
          })
          return { result, requests: proxy.requests }
        }).pipe(Effect.scoped)
      const whole = yield* interruptedAt(Number.POSITIVE_INFINITY)
      assert.strictEqual(whole.result.code, 7)
      // The many polls are all alike: this tests every request of another kind, and the first polls.
      const kind = (line: string) => line.replace(/task-exec-[a-z0-9]+/, "").replace(/\?.*/, "")
      const places = whole.requests.flatMap((line, at, all) =>
        at < 14 || all.findIndex((other) => kind(other) === kind(line)) === at ? [at + 1] : []
      )
      yield* Effect.forEach(
        places,
        (at) =>
          Effect.map(interruptedAt(at), ({ result }) =>
            // Interrupted before the command ran, ended by the signal, or already complete.
            assert.include([143, 7], result.code, `at request ${at}: ${describe(result)}`)
          ),
        { concurrency: 4, discard: true }
      )
    })
  )

  it.effect("an interrupt leaves nothing that the engine creates after the first removal", () =>
    Effect.gen(function* () {
      const web = yield* Web
      const { manager } = yield* SwarmCluster
      const interruptedAt = Effect.fnUntraced(function* (object: string, options: ReadonlyArray<string>) {
        let interrupt: (() => void) | undefined
        let removals = 0
        const proxy = yield* engineProxy(manager.socket, ({ line }) => {
          if (line.startsWith(`POST /${object}/create`)) {
            interrupt?.()
            return "keep"
          }
          // The response to the first request was "not found".
          if (line.startsWith(`DELETE /${object}/`) && ++removals === 2) proxy.release()
          return "pass"
        })
        const command = [...options, web.target(web.remote), "cat"]
        const result = yield* program("task-exec.cjs", command, {
          env: { DOCKER_HOST: proxy.dockerHost },
          keepsInput: true,
          onStart: (kill) => {
            interrupt = () => kill("SIGTERM")
          }
        })
        assert.isAtLeast(removals, 2, object)
        assert.strictEqual(result.code, 143, `${object}: ${describe(result)}`)
        // The removals take longer than a second, so a message says so.
        assert.match(result.stderr, /^(task-exec: SIGTERM: waiting for .*\n)?$/, object)
      }, Effect.scoped)
      // Each run waits for most of its time.
      yield* Effect.all(
        [interruptedAt("secrets", []), interruptedAt("services", []), interruptedAt("networks", ["-i"])],
        { concurrency: "unbounded" }
      )
    })
  )

  it.effect("a broken connection at any request gives a clear error or the right result, and leaves nothing", () =>
    Effect.gen(function* () {
      const web = yield* Web
      const { manager } = yield* SwarmCluster
      for (const wanted of [
        /^GET \/services/,
        /^GET \/info/,
        /^POST \/secrets/,
        /^POST \/services/,
        /\/logs/,
        /^GET \/tasks/,
        /^DELETE \/services/,
        /^DELETE \/secrets/
      ]) {
        const result = yield* Effect.gen(function* () {
          let cut = false
          const { dockerHost } = yield* engineProxy(manager.socket, ({ line }) => {
            if (cut || !wanted.test(line)) return "pass"
            cut = true
            return "cut"
          })
          return yield* program("task-exec.cjs", [web.target(web.remote), "sh", "-c", "echo out; exit 7"], {
            env: { DOCKER_HOST: dockerHost }
          })
        }).pipe(Effect.scoped)
        if (result.code === 7) assert.strictEqual(result.stdout.toString(), "out\n", String(wanted))
        else {
          assert.strictEqual(result.code, 125, `${wanted}: ${describe(result)}`)
          assert.match(result.stderr, /^task-exec: .*\n$/, String(wanted))
        }
      }
    })
  )

  it.effect("a cut connection makes the outcome of a running command unknown, and kills the command", () =>
    Effect.gen(function* () {
      const web = yield* Web
      const { manager } = yield* SwarmCluster
      const { containerId } = web.local
      // One is silent at the cut and one is writing, because the engine notices the cut at different times.
      const scripts = [
        "echo up; sleep 1; echo lost; sleep 1",
        "echo up; i=0; while [ $i -lt 100 ]; do echo line; sleep 0.02; i=$((i+1)); done"
      ]
      for (const script of scripts) {
        const proxy = yield* engineProxy(manager.socket)
        let cut = false
        const result = yield* program("task-exec.cjs", ["--grace", "1", web.target(web.local), "sh", "-c", script], {
          env: { DOCKER_HOST: proxy.dockerHost },
          onOutput: (output) => {
            if (!cut && output.startsWith("up\n")) {
              cut = true
              proxy.cutAll()
            }
          }
        })
        assert.strictEqual(result.code, 125, describe(result))
        assert.match(result.stderr, /^task-exec: the outcome of the command is unknown: .*\n$/)
        const alive = yield* execIn(manager.socket, containerId, ["sh", "-c", "ps | grep -c '[e]cho up'"])
        assert.strictEqual(alive.stdout, "0\n")
      }
    }).pipe(Effect.scoped)
  )

  it.effect("a relay that the engine does not attach to its network gets two other networks, then it is an error", () =>
    Effect.gen(function* () {
      const web = yield* Web
      const { manager } = yield* SwarmCluster
      // The exact message of engine 20.10 when Swarm does not attach the network in time.
      const message =
        "attaching to network failed, make sure your network options are correct and check manager logs: context deadline exceeded"
      const failing = Effect.fnUntraced(function* (failures: number) {
        let starts = 0
        const { dockerHost } = yield* engineProxy(manager.socket, ({ line }) =>
          /^POST \/containers\/[^/]+\/start/.test(line) && ++starts <= failures ? { status: 500, message } : "pass"
        )
        const options = { env: { DOCKER_HOST: dockerHost }, input: "go\n", keepsInput: true }
        const command = ["-i", web.target(web.remote), ...answer]
        return { result: yield* program("task-exec.cjs", command, options), starts }
      }, Effect.scoped)

      const twice = yield* failing(2)
      assert.strictEqual(twice.result.code, 7, describe(twice.result))
      assert.deepStrictEqual([twice.result.stdout.toString(), twice.result.stderr], ["up\nout\n", ""])
      assert.strictEqual(twice.starts, 3)

      const always = yield* failing(Number.POSITIVE_INFINITY)
      assert.strictEqual(always.result.code, 125, describe(always.result))
      assert.include(always.result.stderr, message)
      assert.strictEqual(always.starts, 3)
    })
  )

  /** Talks to a command of a task whose node has the addresses of the first `blocked` networks. */
  const blockedAt = Effect.fnUntraced(function* (task: RunningTask, blocked: number) {
    const web = yield* Web
    const { manager } = yield* SwarmCluster
    const blockers = yield* Scope.fork(yield* Effect.scope)
    yield* Scope.provide(blockAddresses(web.nodeOf(task).socket), blockers)
    let networks = 0
    const proxy = yield* engineProxy(manager.socket, ({ line }) =>
      line.startsWith("POST /networks/create") && ++networks === blocked + 1 ? "keep" : "pass"
    )
    // The next network is created when the node's addresses are free again.
    const unblocked = pollUntil(
      Effect.sync(() => networks > blocked),
      { every: 20, atMost: 240_000, orElse: Effect.die(`no network was made after ${blocked}`) }
    ).pipe(Effect.andThen(Scope.close(blockers, Exit.void)), Effect.andThen(Effect.sync(() => proxy.release())))
    const command = ["-i", web.target(task), ...answer]
    const options = { env: { DOCKER_HOST: proxy.dockerHost }, input: "go\n", keepsInput: true }
    const [result] = yield* Effect.all(
      [program("task-exec.cjs", command, options), Number.isFinite(blocked) ? unblocked : Effect.void],
      { concurrency: 2 }
    )
    return { result, networks }
  }, Effect.scoped)

  /** On a node with the addresses of three networks for a tunnel, the run fails and names the next step. */
  const threeBlocked = Effect.fnUntraced(function* (task: RunningTask) {
    const { name } = (yield* Web).nodeOf(task)
    const { networks, result } = yield* blockedAt(task, Number.POSITIVE_INFINITY)
    assert.strictEqual(result.code, 125, describe(result))
    const error = `^task-exec: cannot start a helper on node ${name}: .*Pool overlaps.*\\. Networks of that node [^\\n]*\\n$`
    assert.match(result.stderr, new RegExp(error))
    assert.deepStrictEqual([result.stdout.toString(), networks], ["up\n", 3])
  })

  /** On a node with the addresses of two networks, the tunnel gets the third one. */
  const twoBlocked = Effect.fnUntraced(function* (task: RunningTask) {
    const { networks, result } = yield* blockedAt(task, 2)
    assert.strictEqual(result.code, 7, describe(result))
    assert.deepStrictEqual([result.stdout.toString(), result.stderr, networks], ["up\nout\n", "", 3])
  })

  /** A warning names what could not be removed, with the command that removes it. */
  const refusedRemoval = Effect.gen(function* () {
    const web = yield* Web
    const { manager } = yield* SwarmCluster
    const { dockerHost } = yield* engineProxy(manager.socket, ({ line }) =>
      line.startsWith("DELETE /services") ? { status: 500, message: "the proxy says no" } : "pass"
    )
    const args = ["-H", dockerHost, web.target(web.remote), "true"]
    const result = yield* program("task-exec.cjs", args, { env: { DOCKER_HOST: "unix:///nowhere/docker.sock" } })
    assert.strictEqual(result.code, 0)
    const left =
      /^task-exec: cannot remove service task-exec-[a-z0-9]+(?:, secret task-exec-[a-z0-9]+)?: .*the proxy says no.*\. Remove (?:it|them) with: task-exec gc -H (\S+) --run ([a-z0-9]+)\n$/
    const [, named, run] = left.exec(result.stderr) ?? []
    assert(run !== undefined, result.stderr)
    assert.strictEqual(named, dockerHost)
    const swept = yield* program("task-exec.cjs", ["gc", "--run", run], { env: { DOCKER_HOST: manager.dockerHost } })
    assert.strictEqual(swept.code, 0, swept.stdout.toString() + swept.stderr)
  }).pipe(Effect.scoped)

  // At once, because each waits for most of its minute.
  it.effect("a tunnel avoids networks whose addresses nodes use; networks that cannot be removed are named", () =>
    Effect.gen(function* () {
      const { tasks, local } = yield* Web
      const [one, other] = tasks.filter(({ id }) => id !== local.id)
      assert(one !== undefined && other !== undefined)
      yield* Effect.all([threeBlocked(one), twoBlocked(other), refusedRemoval], { concurrency: 3 })
    })
  )
})

const describe = ({ code, signal, stderr }: ProcessResult) => `code ${code}, signal ${signal}, ${stderr}`
