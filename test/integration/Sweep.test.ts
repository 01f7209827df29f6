import { assert, layer } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { Swarm } from "../../src/engine/Swarm.ts"
import { HelperImage } from "../../src/helper/HelperImage.ts"
import { reportLines } from "../../src/sweep/ReportReader.ts"
import { isClean, type SweepOptions, type SweepReport, sweep, sweepSwarm } from "../../src/sweep/Sweep.ts"
import { get, post, remove, request } from "../cluster/EngineApi.ts"
import { deriveImage, pushImage } from "../cluster/Images.ts"
import { agentObjects } from "../cluster/Leftovers.ts"
import { poll, pollUntil } from "../cluster/Poll.ts"
import { withVariable } from "../cluster/Processes.ts"
import { execIn, removeService, service, waitRunning } from "../cluster/Services.ts"
import { type ClusterNode, SwarmCluster } from "../cluster/SwarmCluster.ts"
import { killCaller } from "./Callers.ts"
import { checkLeftovers, program, taskExec, Web } from "./Harness.ts"

checkLeftovers()

const Library = Layer.unwrap(
  Effect.map(SwarmCluster, ({ manager }) =>
    HelperImage.layer.pipe(Layer.provideMerge(Swarm.layerFor({ _tag: "Unix", path: manager.socket })))
  )
)

const minute = 60_000
const past = 1_700_000_000
const future = Math.ceil((Date.now() + 60 * minute) / 1000)

/** Labels as task-exec sets them. */
const labels = (deadline: number | string, role = "helper") => ({
  "task-exec.run": "sweeptest",
  "task-exec.role": role,
  "task-exec.deadline": String(deadline),
  "task-exec.creator": "elsewhere:1"
})

const Created = Schema.Struct({ ID: Schema.String })
const ContainerCreated = Schema.Struct({ Id: Schema.String })

const onManager = <A, E, R>(use: (socket: string) => Effect.Effect<A, E, R>) =>
  Effect.flatMap(SwarmCluster, ({ manager }) => use(manager.socket))

const makeService = (
  name: string,
  Labels: Record<string, string>,
  replicas: number,
  containerSpec: Record<string, unknown> = {}
) =>
  Effect.gen(function* () {
    const { image, manager } = yield* SwarmCluster
    const spec = { name, image, replicas, labels: Labels, containerSpec: { Labels, ...containerSpec } }
    yield* service(manager.socket, spec)
  })

const makeSecret = (name: string, Labels: Record<string, string>) =>
  Effect.acquireRelease(
    onManager((socket) => post(socket, "/secrets/create", Created, { body: { Name: name, Labels, Data: "c2VjcmV0" } })),
    ({ ID }) => onManager((socket) => Effect.orDie(remove(socket, `/secrets/${ID}`)))
  )

/** A container on a node. It is started if it has a command. */
const makeContainer = (
  node: ClusterNode,
  name: string,
  Labels: Record<string, string>,
  command: ReadonlyArray<string> = []
) =>
  Effect.acquireRelease(
    Effect.gen(function* () {
      const { image } = yield* SwarmCluster
      const { Id } = yield* post(node.socket, "/containers/create", ContainerCreated, {
        query: { name },
        body: { Image: image, Cmd: command.length === 0 ? ["true"] : command, Labels }
      })
      if (command.length > 0) yield* request(node.socket, "POST", `/containers/${Id}/start`)
      return Id
    }),
    (id) => Effect.orDie(remove(node.socket, `/containers/${id}?force=true`))
  )

const Named = Schema.Array(Schema.Struct({ Spec: Schema.Struct({ Name: Schema.String }) }))
const Containers = Schema.Array(Schema.Struct({ Names: Schema.Array(Schema.String) }))

/** Names of all our services, secrets and containers. Containers of sweepers may still be in removal. */
const present = Effect.gen(function* () {
  const { manager, nodes } = yield* SwarmCluster
  const query = { all: "true", filters: JSON.stringify({ label: { "task-exec.run=sweeptest": true } }) }
  const services = yield* get(manager.socket, "/services", Named, { query })
  const secrets = yield* get(manager.socket, "/secrets", Named, { query })
  const containers = yield* Effect.forEach(nodes, ({ socket }) =>
    get(socket, "/containers/json", Containers, { query })
  )
  return [
    ...services.map(({ Spec }) => `service ${Spec.Name}`),
    ...secrets.map(({ Spec }) => `secret ${Spec.Name}`),
    ...containers
      .flat()
      .flatMap(({ Names }) => Names)
      // Containers of services have Swarm's names, with dots.
      .filter((name) => !name.includes("."))
      .map((name) => `container ${name.slice(1)}`)
  ].sort()
})

const gc = Effect.fnUntraced(function* (args: ReadonlyArray<string> = [], env: Record<string, string> = {}) {
  const { manager } = yield* SwarmCluster
  const result = yield* program("task-exec.cjs", ["gc", ...args], { env: { DOCKER_HOST: manager.dockerHost, ...env } })
  return { code: result.code, stdout: result.stdout.toString(), stderr: result.stderr }
})

/** A report about our objects: kind, name, node, removed. */
const told = ({ leftovers }: SweepReport) =>
  leftovers.map(({ kind, name, node, removed }) => [kind, name, node, removed]).sort()

/** The services of this swarm with this role. */
const withRole = (role: string) =>
  onManager((socket) =>
    get(socket, "/services", Named, {
      query: { filters: JSON.stringify({ label: { [`task-exec.role=${role}`]: true } }) }
    })
  )

const workers = Effect.map(SwarmCluster, ({ manager, nodes }) => {
  const [first, second] = nodes.filter(({ nodeId }) => nodeId !== manager.nodeId)
  if (first === undefined || second === undefined) throw new Error("the swarm has no two workers")
  return [first, second] as const
})

/** An expired and a live object of every kind, on the manager and on a worker. */
const sideBySideWith = Effect.fnUntraced(function* (role: string, replicas: number) {
  const { manager } = yield* SwarmCluster
  const [worker] = yield* workers
  for (const [name, deadline] of [
    ["old", past],
    ["new", future]
  ] as const) {
    const { ID } = yield* makeSecret(`${name}-secret`, labels(deadline, "request"))
    const File = { Name: "request", UID: "0", GID: "0", Mode: 0o400 }
    yield* makeService(`${name}-service`, labels(deadline), replicas, {
      Secrets: [{ SecretID: ID, SecretName: `${name}-secret`, File }]
    })
    yield* makeContainer(manager, `${name}-here`, labels(deadline, role))
    yield* makeContainer(worker, `${name}-there`, labels(deadline, role), ["sleep", "1000"])
  }
  for (const name of ["old-service", "new-service"]) yield* onManager((socket) => waitRunning(socket, name, replicas))
  return { manager, worker }
})

/** Services without tasks, which do not differ for a sweep of the manager's objects. */
const sideBySide = sideBySideWith("killer", 0)

const live = ["container new-here", "container new-there", "secret new-secret", "service new-service"]
const old = ["container old-here", "container old-there", "secret old-secret", "service old-service"]

layer(Library.pipe(Layer.provideMerge(Web.layer("sweep"))), { excludeTestServices: true, timeout: "180 seconds" })(
  "the sweep",
  (it) => {
    it.effect("removes the leftovers of a killed caller after their deadline, and not before", () =>
      Effect.gen(function* () {
        const web = yield* Web
        // The guard would remove everything.
        yield* killCaller(
          "task-exec.cjs",
          ["--timeout", "1m", web.target(web.remote), "sh", "-c", "echo up; sleep 3456"],
          { name: "sweep", withGuard: true, isUnderWay: (output) => output === "up\n" }
        )
        const [helper] = yield* withRole("helper")
        const name = helper?.Spec.Name

        const early = yield* sweepSwarm()
        assert.deepStrictEqual([early.leftovers, early.alive.length], [[], 2])
        // Only on this node: on another one, the helper ends its command in a container that counts as expired by this clock.
        const late = yield* sweep({ now: Date.now() + 20 * minute, nodes: "local" })
        assert.deepStrictEqual(told(late), [
          ["secret", name, undefined, true],
          ["service", name, undefined, true]
        ])
        assert.deepStrictEqual(late.leftovers.map(({ role }) => role).sort(), ["helper", "request"])
        for (const { creator, runId } of late.leftovers) {
          assert.match(creator, /:\d+$/)
          assert.strictEqual(`task-exec-${runId}`, name)
        }
        assert.isTrue(isClean(late))
      })
    )

    it.effect("sweepSwarm removes services and secrets past their deadline", () =>
      Effect.gen(function* () {
        yield* sideBySide
        const report = yield* sweepSwarm()
        assert.deepStrictEqual(told(report), [
          ["secret", "old-secret", undefined, true],
          ["service", "old-service", undefined, true]
        ])
        assert.deepStrictEqual(yield* present, ["container old-here", "container old-there", ...live].sort())
      }).pipe(Effect.scoped)
    )

    it.effect("by gc removes what is past its deadline, once, and nothing in a dry run", () =>
      Effect.gen(function* () {
        const { manager, worker } = yield* sideBySideWith("killer", 1)
        const dry = yield* gc(["--dry-run"])
        assert.deepStrictEqual([dry.code, dry.stderr], [1, ""])
        assert.strictEqual(dry.stdout.match(/would be removed/g)?.length, 4)
        assert.strictEqual(dry.stdout.match(/new-.* sweeptest .* not past its deadline\n/g)?.length, 4)
        assert.match(dry.stdout, /\n0 removed, 4 left, \d+ not past their deadline; 3 of 3 nodes checked\n$/)
        assert.deepStrictEqual(yield* present, [...old, ...live].sort())

        const wet = yield* gc()
        assert.deepStrictEqual([wet.code, wet.stderr], [0, ""])
        const rows = wet.stdout.split("\n").map((line) => line.split(/ {2,}/))
        const of = ["sweeptest", "killer", "2023-11-14T22:13:20Z", "elsewhere:1", "removed"]
        assert.deepStrictEqual(
          rows.find(([, name]) => name === "old-here"),
          ["container", "old-here", manager.name, ...of]
        )
        assert.deepStrictEqual(
          rows.find(([, name]) => name === "old-there"),
          ["container", "old-there", worker.name, ...of]
        )
        assert.match(wet.stdout, /\n4 removed, 0 left, \d+ not past their deadline; 3 of 3 nodes checked\n$/)
        assert.deepStrictEqual(yield* present, live)

        const again = yield* gc()
        assert.strictEqual(again.code, 0)
        // The container of the first gc's service may still be in removal.
        assert.match(again.stdout, /(^|\n)[01] removed, 0 left, \d+ not past their deadline; 3 of 3 nodes checked\n$/)
        assert.deepStrictEqual(yield* present, live)
      }).pipe(Effect.scoped)
    )

    it.effect("by gc --local --json creates no service, and prints one JSON document", () =>
      Effect.gen(function* () {
        const { manager } = yield* sideBySide
        const { code, stderr, stdout } = yield* gc(["--local", "--json", "-H", manager.dockerHost], {
          DOCKER_HOST: "unix:///none"
        })
        assert.deepStrictEqual([code, stderr], [0, ""])
        const Document = Schema.Struct({
          dryRun: Schema.Boolean,
          leftovers: Schema.Array(
            Schema.Struct({ name: Schema.String, removed: Schema.Boolean, deadline: Schema.String })
          ),
          alive: Schema.Array(Schema.Struct({ name: Schema.String })),
          nodes: Schema.Array(Schema.String),
          unanswered: Schema.Array(Schema.Unknown)
        })
        const document = yield* Schema.decodeUnknownEffect(Schema.fromJsonString(Document))(stdout)
        const done = { removed: true, deadline: "2023-11-14T22:13:20Z" }
        const byName = <A extends { readonly name: string }>(all: ReadonlyArray<A>) =>
          all.toSorted((a, b) => (a.name < b.name ? -1 : 1))
        assert.deepStrictEqual(
          { ...document, leftovers: byName(document.leftovers), alive: byName(document.alive) },
          {
            dryRun: false,
            leftovers: ["old-here", "old-secret", "old-service"].map((name) => ({ name, ...done })),
            alive: ["new-here", "new-secret", "new-service"].map((name) => ({ name })),
            nodes: [manager.name],
            unanswered: []
          }
        )
        assert.deepStrictEqual(yield* present, ["container old-there", ...live].sort())
      }).pipe(Effect.scoped)
    )

    it.effect("keeps and reports a secret in use, and removes it later", () =>
      Effect.gen(function* () {
        const { image, manager } = yield* SwarmCluster
        const { ID } = yield* makeSecret("old-secret", labels(past, "request"))
        const use = service(manager.socket, {
          name: "its-user",
          image,
          containerSpec: {
            Secrets: [{ SecretID: ID, SecretName: "old-secret", File: { Name: "s", UID: "0", GID: "0", Mode: 0o400 } }]
          }
        })
        const kept = yield* Effect.scoped(Effect.andThen(use, gc(["--local"])))
        assert.strictEqual(kept.code, 1)
        assert.match(kept.stdout, /old-secret .* kept: .*in use.*its-user\n0 removed, 1 left, /)
        assert.strictEqual((yield* gc(["--local"])).code, 0)
        assert.deepStrictEqual(yield* present, [])
      }).pipe(Effect.scoped)
    )

    it.effect("succeeds twice at once", () =>
      Effect.gen(function* () {
        const nodes = yield* Effect.map(SwarmCluster, (cluster) => cluster.nodes)
        yield* sideBySide
        for (const node of nodes)
          for (const [at, command] of [["sleep", "1000"], []].entries())
            yield* makeContainer(node, `more-${at}`, labels(past, "killer"), command)
        const reports = yield* Effect.all([sweep(), sweep()], { concurrency: 2 })
        for (const report of reports) {
          assert.deepStrictEqual(
            report.leftovers.filter(({ removed }) => !removed),
            []
          )
          assert.deepStrictEqual([report.unanswered, isClean(report)], [[], true])
        }
        assert.deepStrictEqual(yield* present, live)
      }).pipe(Effect.scoped)
    )

    it.effect("reports objects with unreadable labels, and never removes them", () =>
      Effect.gen(function* () {
        const [worker] = yield* workers
        yield* makeSecret("odd-secret", labels("soon", "request"))
        const { "task-exec.deadline": _, ...without } = labels(past, "killer")
        yield* makeContainer(worker, "odd-there", without)
        yield* makeContainer(worker, "not-ours", { "task-exec.deadline": String(past) })
        const { code, stdout } = yield* gc()
        assert.strictEqual(code, 1)
        assert.match(stdout, /secret +odd-secret .*kept: label task-exec\.deadline is not a time: "soon"\n/)
        assert.match(stdout, /container +odd-there .*kept: label task-exec\.deadline is missing\n/)
        assert.notInclude(stdout, "not-ours")
        assert.match(stdout, /\n0 removed, 2 left, /)
        assert.deepStrictEqual(yield* present, ["container odd-there", "secret odd-secret"])
        yield* get(worker.socket, "/containers/not-ours/json", Schema.Unknown)
      }).pipe(Effect.scoped)
    )

    it.effect("stops a container that outlived its service, then removes it", () =>
      Effect.gen(function* () {
        const [worker] = yield* workers
        const swarms = { ...labels(past), "com.docker.swarm.service.id": "nosuchservice" }
        yield* makeContainer(worker, "orphan", swarms, [
          "sh",
          "-c",
          "trap 'exit 0' TERM; while true; do sleep 0.1; done"
        ])
        const report = yield* sweep()
        assert.deepStrictEqual(told(report), [["container", "orphan", worker.name, true]])
        assert.deepStrictEqual(yield* present, [])
      }).pipe(Effect.scoped)
    )

    it.effect("does not disturb running callers", () =>
      Effect.gen(function* () {
        const web = yield* Web
        const script = "rm -f /tmp/go; echo up; until [ -e /tmp/go ]; do sleep 0.1; done; echo done; exit 5"
        const call = Effect.fnUntraced(function* (task: typeof web.remote) {
          const up = yield* Latch.make()
          const args = ["--timeout", "300s", web.target(task), "sh", "-c", script]
          const caller = yield* Effect.forkChild(
            taskExec(args, { onOutput: (output) => output === "up\n" && Latch.openUnsafe(up) })
          )
          yield* up.await
          return caller
        })
        const callers = [yield* call(web.local), yield* call(web.remote)]
        const { code, stdout } = yield* gc()
        assert.strictEqual(code, 0)
        // Service and secret, and possibly the guard of the local command.
        assert.match(stdout, /^0 removed, 0 left, [23] not past their deadline; 3 of 3 nodes checked\n$/)
        for (const task of [web.local, web.remote]) {
          yield* execIn(web.nodeOf(task).socket, task.containerId, ["touch", "/tmp/go"])
        }
        for (const caller of callers) {
          const result = yield* Fiber.join(caller)
          assert.deepStrictEqual([result.code, result.stdout.toString(), result.stderr], [5, "up\ndone\n", ""])
        }
      })
    )

    it.effect("does not remove the containers of a tunnel while the caller runs", () =>
      Effect.gen(function* () {
        const web = yield* Web
        let leave: () => void = () => undefined
        const session = yield* Effect.forkChild(
          taskExec(["-i", web.target(web.remote), "sh", "-c", "echo up; cat"], {
            input: "typed\n",
            keepsInput: true,
            onStart: (kill) => {
              leave = () => kill("SIGTERM")
            }
          })
        )
        const { nodes } = yield* SwarmCluster
        const query = { filters: JSON.stringify({ label: { "task-exec.role=relay": true } }) }
        const relays = Effect.forEach(nodes, ({ socket }) => get(socket, "/containers/json", Containers, { query }))
        yield* pollUntil(
          Effect.map(relays, (found) => found.flat().length === 2),
          { every: 100, atMost: 120_000, orElse: Effect.die("the session has no relay and listener") }
        )
        const { alive } = yield* sweep({ dryRun: true })
        assert.lengthOf(
          alive.filter(({ role }) => role === "relay"),
          2
        )
        const late = yield* sweep({ dryRun: true, now: Date.now() + 24 * 60 * minute })
        // The containers of the earlier sweeps are removed shortly after their services.
        const ofSession = late.leftovers.filter(({ kind, role }) => kind === "container" && role !== "sweeper")
        assert.deepStrictEqual(
          ofSession.map(({ name, node }) => [name, node]),
          []
        )
        leave()
        assert.strictEqual((yield* Fiber.join(session)).code, 143)
      })
    )

    it.effect("by gc --run removes the named run with its command, and does not disturb another run", () =>
      Effect.gen(function* () {
        const web = yield* Web
        const { socket } = web.nodeOf(web.remote)
        /** A caller with a running command, and the ID of its run. */
        const call = Effect.fnUntraced(function* (script: string) {
          const before = yield* withRole("helper")
          const caller = yield* Effect.forkChild(
            taskExec(["--timeout", "300s", web.target(web.remote), "sh", "-c", script])
          )
          const found = Effect.map(withRole("helper"), (helpers) =>
            Option.fromUndefinedOr(helpers.find(({ Spec }) => before.every((other) => other.Spec.Name !== Spec.Name)))
          )
          const { Spec } = yield* poll(found, { atMost: 120_000, orElse: Effect.die("the caller made no helper") })
          const run = Spec.Name.replace("task-exec-", "")
          yield* pollUntil(
            Effect.map(withVariable("TASK_EXEC_RUN"), (hits) => hits.some(({ value }) => value === run)),
            { atMost: 120_000, orElse: Effect.die("the command does not run") }
          )
          return { caller, run }
        })
        const spared = yield* call("rm -f /tmp/go; until [ -e /tmp/go ]; do sleep 0.1; done; echo done; exit 5")
        const named = yield* call("sleep 3456")

        const dry = yield* gc(["--dry-run", "--run", named.run])
        assert.strictEqual(dry.code, 1)
        assert.strictEqual(dry.stdout.match(/would be removed/g)?.length, 2)
        assert.match(dry.stdout, /\n0 removed, 2 left; 3 of 3 nodes checked\n$/)
        assert.notInclude(dry.stdout, spared.run)

        const wet = yield* gc(["--run", named.run])
        assert.deepStrictEqual([wet.code, wet.stderr], [0, ""])
        // Service and secret, and possibly the killer of the removed helper.
        assert.match(wet.stdout, /\n[23] removed, 0 left; 3 of 3 nodes checked\n$/)
        assert.notInclude(wet.stdout, spared.run)
        const ended = yield* Fiber.join(named.caller)
        assert.strictEqual(ended.code, 125)
        assert.match(ended.stderr, /^task-exec: .*\n$/)
        assert.notInclude(
          (yield* withVariable("TASK_EXEC_RUN")).map(({ value }) => value),
          named.run
        )

        yield* execIn(socket, web.remote.containerId, ["touch", "/tmp/go"])
        const result = yield* Fiber.join(spared.caller)
        assert.deepStrictEqual([result.code, result.stdout.toString(), result.stderr], [5, "done\n", ""])
      })
    )

    it.effect("by gc --run removes the containers of these runs on every node, and reports an unknown run", () =>
      Effect.gen(function* () {
        // A killer would be allowed to finish.
        const { worker } = yield* sideBySideWith("relay", 1)
        const others = { "task-exec.run": "another", "task-exec.deadline": String(past) }
        yield* makeContainer(worker, "others-there", { ...labels(past), ...others })
        const unknown = yield* gc(["--run", "nobody", "--run", "sweep"])
        assert.deepStrictEqual([unknown.code, unknown.stderr], [0, ""])
        const none = (run: string) => `run ${run}: nothing to remove\n`
        const nothing = "0 removed, 0 left; 3 of 3 nodes checked\n"
        assert.strictEqual(unknown.stdout, `${none("nobody")}${none("sweep")}${nothing}`)
        assert.deepStrictEqual(yield* present, [...old, ...live].sort())

        const known = yield* gc(["--run", "nobody", "--run", "sweeptest", "--json"])
        assert.deepStrictEqual([known.code, known.stderr], [0, ""])
        assert.deepStrictEqual(yield* present, [])
        yield* get(worker.socket, "/containers/others-there/json", Schema.Unknown)
      }).pipe(Effect.scoped)
    )

    it.effect("removes the sweeper of a killed gc past its deadline", () =>
      Effect.gen(function* () {
        const killed = yield* Effect.forkChild(gc())
        const found = Effect.map(withRole("sweeper"), ([one]) => Option.fromNullishOr(one))
        const { Spec } = yield* poll(found, { atMost: 120_000, orElse: Effect.die("it made no sweeper") })
        yield* Fiber.interrupt(killed)
        assert.deepStrictEqual((yield* sweepSwarm()).leftovers, [])
        // Not on the other nodes, where containers of the sweeper may still be in removal.
        const late = yield* sweep({ now: Date.now() + 10 * minute, nodes: "local" })
        assert.deepStrictEqual(told(late), [
          ["secret", Spec.Name, undefined, true],
          ["service", Spec.Name, undefined, true]
        ])
      })
    )

    it.effect("leaves nothing if it is interrupted", () =>
      Effect.gen(function* () {
        const fiber = yield* Effect.forkChild(sweep())
        yield* pollUntil(
          Effect.map(withRole("sweeper"), (sweepers) => sweepers.length > 0),
          { atMost: 120_000, orElse: Effect.die("it made no sweeper") }
        )
        yield* Fiber.interrupt(fiber)
        assert.deepStrictEqual(yield* withRole("sweeper"), [])
      })
    )

    const unanswered = (options: SweepOptions) =>
      Effect.map(sweep(options), (report) => {
        assert.isFalse(isClean(report))
        return report.unanswered.map(({ hostname, reason }) => `${hostname}: ${reason}`).sort()
      })

    it.effect("names a node that does not respond in time, and sweeps the others", () =>
      Effect.gen(function* () {
        const cluster = yield* SwarmCluster
        const [quick, slow] = yield* workers
        // The time limit for the nodes: several times what a sweep takes on this machine.
        const [usual] = yield* Effect.timed(sweep())
        const seconds = Math.max(20, Math.ceil(Duration.toSeconds(usual) * 4))
        yield* makeContainer(quick, "old-there", labels(past, "killer"))
        yield* Effect.acquireRelease(cluster.killEngine(slow, "SIGSTOP"), () =>
          Effect.orDie(cluster.killEngine(slow, "SIGCONT"))
        )
        const report = yield* sweep({ placementTimeout: `${seconds} seconds` })
        assert.deepStrictEqual(told(report), [["container", "old-there", quick.name, true]])
        assert.deepStrictEqual(report.nodes.toSorted(), [cluster.manager.name, quick.name].sort())
        const [silent, ...more] = report.unanswered
        assert.deepStrictEqual([silent?.hostname, more], [slow.name, []])
        assert.match(silent?.reason ?? "", new RegExp(`^no report within ${seconds} s \\(its sweeper: [a-z]+: .*\\)$`))
      }).pipe(Effect.scoped)
    )

    it.effect("names every other node with the reason if the image does not exist or is not task-exec's", () =>
      Effect.gen(function* () {
        const { image, registry } = yield* SwarmCluster
        const [first, second] = yield* workers
        const missing = yield* unanswered({ image: `${registry}/no-such-image:1` })
        assert.strictEqual(missing.length, 2)
        assert.match(
          missing[0] ?? "",
          new RegExp(`^${first.name}: it cannot start a sweeper \\(rejected: .*no-such-image`)
        )
        const foreign = yield* unanswered({ image })
        assert.strictEqual(foreign.length, 2)
        assert.match(
          foreign[1] ?? "",
          new RegExp(`^${second.name}: it(s sweeper sent no report| cannot start a sweeper) `)
        )
      })
    )

    it.effect("rejects a report in the name of another node", () =>
      Effect.gen(function* () {
        const { image, manager, registry } = yield* SwarmCluster
        const [first, second] = yield* workers
        const findings = { leftovers: [], unreadable: [], alive: [] }
        const about = ({ nodeId }: { readonly nodeId: string }, origin: number) =>
          reportLines(origin, { node: nodeId, result: { _tag: "Swept", findings } }).trimEnd()
        // Each of the two sends the other one's report.
        const script = `if [ "$TASK_EXEC_HELPER_NODE" = ${first.nodeId} ]; then echo "${about(second, 1)}"; else echo "${about(first, 2)}"; fi`
        const liar = `${registry}/liar:1`
        yield* deriveImage(manager.socket, image, liar, [`ENTRYPOINT ["sh", "-c", ${JSON.stringify(script)}]`])
        yield* pushImage(manager.socket, liar)
        const silent = yield* unanswered({ image: liar })
        assert.deepStrictEqual(
          silent.map((line) => line.split(":")[0]),
          [first.name, second.name]
        )
        for (const line of silent) assert.include(line, "its sweeper sent no report")
      })
    )

    it.effect("by gc names a node that accepts no tasks, with exit code 1", () =>
      Effect.gen(function* () {
        const [worker] = yield* workers
        const Node = Schema.Struct({
          Version: Schema.Struct({ Index: Schema.Int }),
          Spec: Schema.Record(Schema.String, Schema.Unknown)
        })
        const set = (Availability: string) =>
          onManager((socket) =>
            Effect.flatMap(get(socket, `/nodes/${worker.nodeId}`, Node), ({ Spec, Version }) =>
              request(socket, "POST", `/nodes/${worker.nodeId}/update`, {
                query: { version: String(Version.Index) },
                body: { ...Spec, Availability }
              })
            )
          )
        yield* Effect.acquireRelease(set("pause"), () => Effect.orDie(set("active")))
        const { code, stdout } = yield* gc()
        assert.strictEqual(code, 1)
        assert.match(
          stdout,
          new RegExp(
            `^node ${worker.name} was not checked: its availability is pause\\. Make it active, or run "task-exec gc --local" on it`
          )
        )
        assert.match(stdout, /; 2 of 3 nodes checked\n$/)
      }).pipe(Effect.scoped)
    )

    it.effect("by gc prints errors in one line", () =>
      Effect.gen(function* () {
        const [worker] = yield* workers
        const asked = yield* gc([], { DOCKER_HOST: worker.dockerHost })
        assert.deepStrictEqual([asked.code, asked.stdout], [125, ""])
        assert.match(
          asked.stderr,
          /^task-exec gc: cannot .* on node node-\d \(unix:.*\): this node is a worker, not a manager\. Set DOCKER_HOST to .*\n$/
        )
        const missing = yield* gc([], { DOCKER_HOST: "unix:///nowhere/docker.sock" })
        assert.strictEqual(missing.code, 125)
        assert.match(missing.stderr, /^task-exec gc: cannot connect to the Docker engine at unix:.*\n$/)
        for (const args of [["--wrong"], ["web"], ["--json=yes"], ["--run"], ["--run", ""]]) {
          const wrong = yield* gc(args)
          assert.deepStrictEqual([wrong.code, wrong.stdout], [2, ""])
          assert.match(wrong.stderr, /^task-exec gc: .*\nSee 'task-exec gc --help'\.\n$/)
        }
        yield* makeContainer(worker, "old-there", labels(past, "killer"))
        const local = yield* gc(["--local"], { DOCKER_HOST: worker.dockerHost })
        assert.strictEqual(local.code, 0)
        assert.match(local.stdout, /\n1 removed, 0 left, 0 not past their deadline; 1 of 1 nodes checked\n$/)
      }).pipe(Effect.scoped)
    )

    it.effect("finds leftovers of agents whose service was removed, as does doctor, and agent down removes them", () =>
      Effect.gen(function* () {
        const cluster = yield* SwarmCluster
        const { manager } = cluster
        yield* Effect.addFinalizer(() => Effect.ignore(taskExec(["agent", "down"])))
        assert.strictEqual((yield* taskExec(["agent", "up"])).code, 0)
        assert.strictEqual((yield* taskExec(["gc", "--dry-run"])).code, 0)
        yield* removeService(manager.socket, "task-exec-agent")
        const host = ["-H", manager.dockerHost]
        const gc = yield* taskExec(["gc", ...host], { env: { DOCKER_HOST: undefined } })
        assert.strictEqual(gc.code, 1)
        const left = "config task-exec-agent-[0-9a-f]+, network task-exec-agent-[0-9a-f]+"
        const remedy = `task-exec agent down ${host.join(" ")}`
        assert.match(gc.stdout.toString(), new RegExp(`\\n${left}: left by removed agents. To remove: ${remedy}\\n$`))
        const doctor = yield* taskExec(["doctor", "--no-network", ...host])
        assert.match(
          doctor.stdout.toString(),
          new RegExp(`left by removed agents: ${left}\\n[^\\n]*to remove: ${remedy}\\n`)
        )
        assert.strictEqual((yield* taskExec(["agent", "down"])).code, 0)
        yield* pollUntil(
          Effect.map(agentObjects(cluster), (objects) => objects.length === 0),
          {
            every: 100,
            atMost: 120_000,
            orElse: Effect.flatMap(agentObjects(cluster), (left) => Effect.die(left.join(", ")))
          }
        )
      }).pipe(Effect.scoped)
    )
  }
)
