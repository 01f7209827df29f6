/** `task-exec run`: a command in a new task of a service, on every route. */
import { randomBytes } from "node:crypto"
import { mkdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, layer, type Vitest } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { run } from "../cluster/Command.ts"
import { get, post, remove } from "../cluster/EngineApi.ts"
import { deriveImage, importImage, pushImage } from "../cluster/Images.ts"
import { pollUntil } from "../cluster/Poll.ts"
import { waitRunning } from "../cluster/Services.ts"
import { SwarmCluster } from "../cluster/SwarmCluster.ts"
import { killCaller, untilNothingLeft } from "./Callers.ts"
import {
  Agents,
  checkLeftoversMeanwhile,
  checksDone,
  type ProcessOptions,
  program,
  programOn,
  saidOfSignal,
  temporaryFolder
} from "./Harness.ts"
import { openPty } from "./Pty.ts"

checkLeftoversMeanwhile()

const dist = join(import.meta.dirname, "../../dist")
const Id = Schema.Struct({ ID: Schema.String })
const Network = Schema.Struct({ Id: Schema.String })
const base64 = (text: string) => Buffer.from(text).toString("base64")

/** Creates an object of the swarm that is removed with the scope. Returns its ID. */
const made = (socket: string, kind: "secrets" | "configs" | "services", body: object) =>
  Effect.acquireRelease(
    Effect.map(post(socket, `/${kind}/create`, Id, { body }), ({ ID }) => ID),
    (id) => Effect.orDie(remove(socket, `/${kind}/${id}`))
  )

const networkOf = (socket: string, name: string) =>
  Effect.acquireRelease(
    Effect.map(
      post(socket, "/networks/create", Network, { body: { Name: name, Driver: "overlay", Attachable: true } }),
      ({ Id }) => Id
    ),
    (id) =>
      pollUntil(
        Effect.map(Effect.exit(remove(socket, `/networks/${id}`)), ({ _tag }) => _tag === "Success"),
        { every: 250, atMost: 120_000, orElse: Effect.die("the network remains in use") }
      )
  )

/** Removes a volume when its containers are gone. */
const volumeGone = (socket: string, name: string) =>
  pollUntil(
    Effect.map(Effect.exit(remove(socket, `/volumes/${name}`)), ({ _tag }) => _tag === "Success"),
    { every: 250, atMost: 120_000, orElse: Effect.die(`volume ${name} stays in use`) }
  )

/**
 * A service with everything that a one-off task takes over, and everything that it must not take over. One task on every node but the last.
 */
class Shop extends Context.Service<Shop, { readonly id: string; readonly network: string }>()("task-exec/test/Shop") {
  static readonly layer = Layer.effect(
    Shop,
    Effect.gen(function* () {
      const { image, manager, nodes } = yield* SwarmCluster
      const { socket } = manager
      const secret = yield* made(socket, "secrets", { Name: "shop-key", Data: base64("s3cret") })
      const config = yield* made(socket, "configs", { Name: "shop-conf", Data: base64("conf") })
      const network = yield* networkOf(socket, "shop-net")
      yield* Effect.addFinalizer(() =>
        Effect.forEach(nodes, (node) => volumeGone(node.socket, "shop-data"), { discard: true })
      )
      const file = { UID: "1234", GID: "1234", Mode: 0o400 }
      const id = yield* made(socket, "services", {
        Name: "shop",
        Labels: { "traefik.enable": "true", "com.docker.stack.namespace": "none" },
        TaskTemplate: {
          ContainerSpec: {
            Image: image,
            Command: ["sh", "-c"],
            Args: ["sleep 1000000"],
            Env: ["GREETING=hello", "SLOT={{.Task.Slot}}"],
            Labels: { "com.example": "1" },
            User: "1234",
            Dir: "/tmp",
            Hosts: ["10.9.9.9 backend"],
            CapabilityDrop: ["CAP_NET_RAW"],
            StopSignal: "SIGKILL",
            StopGracePeriod: 1_000_000_000,
            Healthcheck: { Test: ["CMD", "true"], Interval: 1_000_000_000 },
            Mounts: [
              { Type: "volume", Source: "shop-data", Target: "/data", VolumeOptions: { Labels: { of: "shop" } } },
              { Type: "tmpfs", Target: "/scratch" }
            ],
            Secrets: [{ SecretID: secret, SecretName: "shop-key", File: { Name: "key", ...file } }],
            Configs: [{ ConfigID: config, ConfigName: "shop-conf", File: { Name: "/etc/shop.conf", ...file } }]
          },
          Resources: { Limits: { MemoryBytes: 64 * 1024 ** 2 } },
          Placement: { Constraints: [`node.hostname!=${nodes.at(-1)?.name}`] },
          Networks: [{ Target: network, Aliases: ["storefront"] }],
          RestartPolicy: { Condition: "any" }
        },
        Mode: { Global: {} },
        EndpointSpec: { Mode: "dnsrr", Ports: [{ PublishMode: "host", TargetPort: 80, PublishedPort: 8099 }] }
      })
      yield* Effect.addFinalizer(() => checksDone)
      yield* waitRunning(socket, "shop", nodes.length - 1)
      return Shop.of({ id, network })
    })
  ).pipe(Layer.provideMerge(SwarmCluster.layerShared))
}

const Spec = Schema.Struct({
  Labels: Schema.Record(Schema.String, Schema.String),
  EndpointSpec: Schema.Record(Schema.String, Schema.Unknown),
  TaskTemplate: Schema.Struct({
    ContainerSpec: Schema.Struct({
      Labels: Schema.Record(Schema.String, Schema.String),
      Healthcheck: Schema.Struct({ Test: Schema.Array(Schema.String) })
    }),
    Networks: Schema.Array(Schema.Record(Schema.String, Schema.Unknown))
  })
})
const Services = Schema.Array(Schema.Struct({ Spec }))
const Audited = Schema.Struct({
  command: Schema.Array(Schema.String),
  oneOff: Schema.Struct({ image: Schema.String, entrypoint: Schema.Array(Schema.String) }),
  target: Schema.Struct({ task: Schema.String, node: Schema.String })
})
const decodeAudited = Schema.decodeUnknownEffect(Schema.fromJsonString(Audited))
const Listed = Schema.Array(Id)
const oneOffs = { query: { filters: JSON.stringify({ label: ["task-exec.role=one-off"] }) } }

const call = Effect.fnUntraced(function* (args: ReadonlyArray<string>, options: ProcessOptions = {}) {
  const { manager } = yield* SwarmCluster
  const env = { DOCKER_HOST: manager.dockerHost, ...options.env }
  return yield* program("task-exec.cjs", ["run", ...args], { ...options, env })
})

const routes = {
  "on the connected engine's node": { node: 0, flags: [] },
  "by a helper on another node": { node: 1, flags: [] },
  "by an agent on another node": { node: 1, flags: ["--via", "agent"] }
} as const

type Methods = Vitest.MethodsNonLive<SwarmCluster | Shop>

/** The tests for every route. */
const onRoute = (name: keyof typeof routes, it: Methods) => {
  const { flags, node } = routes[name]
  const runOn = Effect.fnUntraced(function* (args: ReadonlyArray<string>, options: ProcessOptions = {}) {
    const { manager, nodes } = yield* SwarmCluster
    const target = `shop@${nodes[node]?.name}`
    const line = ["run", ...flags, ...args.map((word) => (word === "SHOP" ? target : word))]
    const env = { DOCKER_HOST: manager.dockerHost, ...options.env }
    return node === 0
      ? yield* programOn(manager, "task-exec.cjs", line, { ...options, env })
      : yield* program("task-exec.cjs", line, { ...options, env })
  })

  it.effect(`${name}: exit code and bytes are the command's, and the task has what the service has`, () =>
    Effect.gen(function* () {
      const script = [
        "echo $GREETING $SLOT $EXTRA; id -u; pwd; hostname | tr -d '[:xdigit:]'",
        "cat /run/secrets/key /etc/shop.conf; echo; grep -c backend /etc/hosts",
        "touch /scratch/x && ls -d /data; cat /proc/1/cmdline | tr '\\0' ' '; echo",
        "cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null | head -1",
        "test -t 0 || cat; echo no >&2; exit 7"
      ].join("; ")
      const input = randomBytes(300_000)
      const args = ["-i", "-e", "EXTRA=more", "SHOP", script]
      const { code, stderr, stdout } = yield* runOn(args, { input })
      assert.deepStrictEqual([code, stderr], [7, "no\n"])
      assert.isTrue(stdout.subarray(-input.length).equals(input))
      const told = stdout.subarray(0, -input.length).toString().split("\n")
      const lines = ["hello 1 more", "1234", "/tmp", "", "s3cretconf", "1", "/data", "/.task-exec/hold "]
      assert.deepStrictEqual(told.slice(0, 8), lines)
      assert.oneOf(told[8], ["67108864", "max", ""])
    })
  )

  it.effect(`${name}: the timeout kills the command and its child processes, and removes the task`, () =>
    Effect.gen(function* () {
      const stubborn = "trap '' TERM; setsid sleep 4321 & echo up; exec sleep 4321"
      const { code, stdout } = yield* runOn(["--timeout", "3s", "--grace", "1s", "SHOP", stubborn])
      assert.deepStrictEqual([code, stdout.toString()], [124, "up\n"])
    })
  )

  it.effect(`${name}: a signal reaches the command, whose exit code counts`, () =>
    Effect.gen(function* () {
      const script = "trap 'echo bye; exit 9' INT; echo up; while :; do sleep 0.1; done"
      const onOutput: ProcessOptions["onOutput"] = (output, kill) => {
        if (output === "up\n") kill("SIGINT")
      }
      const { code, stdout } = yield* runOn(["SHOP", script], { onOutput })
      assert.deepStrictEqual([code, stdout.toString()], [9, "up\nbye\n"])
    })
  )
}

layer(Shop.layer, { excludeTestServices: true, timeout: "240 seconds" })("run", (it) => {
  it.layer(Agents, { timeout: "240 seconds" })("with agents", (it) => onRoute("by an agent on another node", it))
  onRoute("on the connected engine's node", it)
  onRoute("by a helper on another node", it)

  it.effect("takes no ports, aliases, labels and health check of the service, and leaves the service alone", () =>
    Effect.gen(function* () {
      const { manager } = yield* SwarmCluster
      const before = yield* waitRunning(manager.socket, "shop", 2)
      const up = yield* Latch.make()
      let end: ((signal: NodeJS.Signals) => void) | undefined
      // A shell reports that the signal ended its child process.
      const script =
        "trap 'exit 0' TERM; nslookup storefront; nslookup shop; exec 2>/dev/null; echo up; while :; do sleep 0.1; done"
      const [{ code, stderr, stdout }, [one]] = yield* Effect.all(
        [
          call(["--label", "mine=1", "-e", "X", "shop", script], {
            onOutput: (output, kill) => {
              end = kill
              if (/^up$/m.test(output)) Latch.openUnsafe(up)
            }
          }),
          up.await.pipe(
            Effect.andThen(get(manager.socket, "/services", Services, oneOffs)),
            Effect.tap(Effect.sync(() => end?.("SIGTERM")))
          )
        ],
        { concurrency: 2 }
      )
      assert.strictEqual(code, 0, stderr)
      assert.match(stderr, saidOfSignal)
      const resolved = stdout.toString()
      if (one === undefined) return yield* Effect.die("no service of a one-off task was seen")
      const { ContainerSpec, Networks } = one.Spec.TaskTemplate
      const foreign = (labels: Readonly<Record<string, string>>) =>
        Object.keys(labels).filter((label) => !label.startsWith("task-exec."))
      assert.deepStrictEqual(foreign(one.Spec.Labels), ["mine"])
      assert.deepStrictEqual(foreign(ContainerSpec.Labels), ["mine"])
      assert.deepStrictEqual(one.Spec.EndpointSpec, { Mode: "dnsrr" })
      assert.deepStrictEqual(ContainerSpec.Healthcheck.Test, ["NONE"])
      assert.deepStrictEqual(
        Networks.map((network) => Object.keys(network)),
        [["Target"]]
      )
      // The addresses of the service are those of its own two tasks.
      assert.strictEqual(resolved.match(/^Name:\s+storefront/gm)?.length, 2, resolved)
      assert.strictEqual(resolved.match(/^Name:\s+shop/gm)?.length, 2, resolved)
      const after = yield* waitRunning(manager.socket, "shop", 2)
      assert.sameMembers(
        after.map(({ id }) => id),
        before.map(({ id }) => id)
      )
    })
  )

  it.effect("passes the words to the image's entrypoint, which --entrypoint and --image replace", () =>
    Effect.gen(function* () {
      const { image, manager, registry } = yield* SwarmCluster
      const { socket } = manager
      const ref = `${registry}/entry:1`
      yield* deriveImage(socket, image, ref, [
        'ENTRYPOINT ["echo","entry"]',
        'CMD ["cmd","of image"]',
        "HEALTHCHECK CMD false"
      ])
      yield* pushImage(socket, ref)
      const plain = { Image: ref }
      const given = { Image: ref, Args: ["args"] }
      yield* made(socket, "services", {
        Name: "plain",
        TaskTemplate: { ContainerSpec: plain },
        Mode: { Replicated: { Replicas: 0 } }
      })
      yield* made(socket, "services", {
        Name: "given",
        TaskTemplate: { ContainerSpec: given, RestartPolicy: { Condition: "none" } },
        Mode: { ReplicatedJob: { MaxConcurrent: 0, TotalCompletions: 0 } }
      })
      const cases: ReadonlyArray<readonly [args: ReadonlyArray<string>, said: string]> = [
        [["plain"], "entry cmd of image\n"],
        [["given"], "entry args\n"],
        [["given", "-n", "a  b", "$HOME"], "entry -n a  b $HOME\n"],
        [["--entrypoint", "printf", "given", "%s|", "1", "2 3"], "1|2 3|"],
        [["--image", ref, "shop@node-1", "echo from $GREETING"], "from hello\n"]
      ]
      const results = yield* Effect.forEach(cases, ([args]) => call(args), { concurrency: 4 })
      for (const [at, [args, said]] of cases.entries()) {
        const { code, stderr, stdout } = results[at] ?? { code: null, stderr: "", stdout: Buffer.of() }
        assert.deepStrictEqual([code, stderr], [0, ""], args.join(" "))
        assert.strictEqual(stdout.toString(), said, args.join(" "))
      }
    }).pipe(Effect.scoped)
  )

  it.effect("runs an image that has only one program, read-only and without root", () =>
    Effect.gen(function* () {
      const { manager, registry } = yield* SwarmCluster
      const folder = yield* temporaryFolder("scratch")
      mkdirSync(join(folder, "root"))
      const tar = join(folder, "scratch.tar")
      yield* run("cp", ["/bin/busybox", join(folder, "root/busybox")])
      yield* run("tar", ["--create", "--file", tar, "--directory", join(folder, "root"), "."])
      const image = `${registry}/scratch:1`
      yield* importImage(manager.socket, image, tar, ['ENTRYPOINT ["/busybox"]'])
      yield* pushImage(manager.socket, image)
      yield* made(manager.socket, "services", {
        Name: "scratch",
        TaskTemplate: { ContainerSpec: { Image: image, User: "4321:4321", ReadOnly: true, Init: true } },
        Mode: { Replicated: { Replicas: 0 } }
      })
      const { code, stderr, stdout } = yield* call(["scratch", "sh", "-c", "/busybox id -u; exit 3"])
      assert.deepStrictEqual([code, stdout.toString(), stderr], [3, "4321\n", ""])
    }).pipe(Effect.scoped)
  )

  it.effect("quotes Swarm's words in errors", () =>
    Effect.gen(function* () {
      const { registry } = yield* SwarmCluster
      const missing = `${registry}/nothing-there:1`
      const cases: ReadonlyArray<readonly [args: ReadonlyArray<string>, code: number, said: RegExp]> = [
        [["nosuch", "true"], 125, /no task matches "nosuch": service nosuch does not exist/],
        [["shop.1", "true"], 125, /a one-off task needs the name of a service/],
        [
          ["--image", missing, "shop", "true"],
          125,
          /cannot start a one-off task of service shop from image .*nothing-there:1 on node node-\d: rejected: .*\. Check that the node can pull the image: docker pull /
        ],
        [
          ["--placement-timeout", "10s", "--constraint", "node.labels.none==1", "shop", "true"],
          125,
          /still pending after [\d.]+ s \(no suitable node \(scheduling constraints/
        ],
        [
          ["--placement-timeout", "10s", "--reserve-memory", "100t", "shop", "true"],
          125,
          /no suitable node \(.*insufficient resources/
        ],
        [["-w", "/nowhere", "shop", "true"], 126, /nowhere/]
      ]
      const results = yield* Effect.forEach(cases, ([args]) => call(args), { concurrency: 3 })
      for (const [at, [args, code, said]] of cases.entries()) {
        assert.strictEqual(results[at]?.code, code, `${args.join(" ")}: ${results[at]?.stderr}`)
        assert.match(results[at]?.stderr ?? "", said, args.join(" "))
      }
    })
  )

  it.effect("needs the word run in the policy label, and no other", () =>
    Effect.gen(function* () {
      const { image, manager } = yield* SwarmCluster
      for (const [name, allow, code] of [
        ["strict", "ps, sh", 125],
        ["open", "run", 0],
        ["exact", '[["run", "echo", "ran"]]', 0]
      ] as const) {
        yield* made(manager.socket, "services", {
          Name: name,
          Labels: { "task-exec.allow": allow },
          TaskTemplate: { ContainerSpec: { Image: image, Labels: { "task-exec.allow": allow } } },
          Mode: { Replicated: { Replicas: 0 } }
        })
        const env = { TASK_EXEC_DENY_DEFAULT: "true" }
        const { code: actual, stderr, stdout } = yield* call([name, "echo", "ran"], { env })
        assert.deepStrictEqual([actual, stdout.toString()], [code, code === 0 ? "ran\n" : ""], stderr)
        if (code !== 0) assert.match(stderr, /cannot run "run" in strict\.run/)
      }
      const exact = yield* call(["exact", "echo", "other"])
      assert.strictEqual(exact.code, 125, exact.stderr)
    }).pipe(Effect.scoped)
  )

  it.effect("ends at a signal before the command starts, and leaves nothing", () =>
    Effect.gen(function* () {
      const { manager } = yield* SwarmCluster
      let interrupt: ((signal: NodeJS.Signals) => void) | undefined
      const line = ["--placement-timeout", "10m", "--constraint", "node.labels.none==1", "shop", "true"]
      const created = pollUntil(
        Effect.map(get(manager.socket, "/services", Services, oneOffs), (all) => all.length > 0),
        { every: 50, atMost: 120_000, orElse: Effect.die("no service was created") }
      ).pipe(Effect.andThen(Effect.sync(() => interrupt?.("SIGTERM"))))
      const onStart: ProcessOptions["onStart"] = (kill) => {
        interrupt = kill
      }
      const [{ code, stdout }] = yield* Effect.all([call(line, { onStart }), created], { concurrency: 2 })
      assert.deepStrictEqual([code, stdout.toString()], [143, ""])
    })
  )

  for (const node of ["node-1", "node-2"]) {
    it.effect(`${node}: the task ends meanwhile: an error, and the command does not run again`, () =>
      Effect.gen(function* () {
        const { manager } = yield* SwarmCluster
        let isUp = false
        const removed = pollUntil(
          Effect.sync(() => isUp),
          { every: 50, atMost: 120_000, orElse: Effect.die("the command did not start") }
        ).pipe(
          Effect.andThen(get(manager.socket, "/services", Listed, oneOffs)),
          Effect.flatMap((all) => Effect.forEach(all, ({ ID }) => remove(manager.socket, `/services/${ID}`)))
        )
        const onOutput: ProcessOptions["onOutput"] = (output) => {
          isUp ||= output.includes("up")
        }
        const line = [`shop@${node}`, "echo up; sleep 4321"]
        const [{ code, stderr, stdout }] = yield* Effect.all([call(line, { onOutput }), removed], { concurrency: 2 })
        assert.deepStrictEqual([code, stdout.toString()], [125, "up\n"], stderr)
        assert.match(stderr, /^task-exec: the command did not finish: container [0-9a-f]{12} stopped/)
      })
    )

    it.effect(`${node}: kill -9 of the caller kills the command and removes the task`, () =>
      Effect.gen(function* () {
        const line = ["run", "--grace", "1s", `shop@${node}`, "echo up; sleep 4321"]
        yield* killCaller("task-exec.cjs", line, { name: `run-${node}`, isUnderWay: (said) => said.includes("up") })
        yield* untilNothingLeft
      })
    )
  }

  it.effect("runs four times at once", () =>
    Effect.gen(function* () {
      const codes = [1, 2, 3, 4]
      const results = yield* Effect.forEach(codes, (code) => call(["shop", `exit ${code}`]), { concurrency: 4 })
      assert.deepStrictEqual(
        results.map(({ code, stderr }) => [code, stderr]),
        codes.map((code) => [code, ""])
      )
    })
  )

  it.effect("has a terminal, and events for --output json", () =>
    Effect.gen(function* () {
      const { manager } = yield* SwarmCluster
      const env = { DOCKER_HOST: manager.dockerHost }
      const pty = yield* openPty(
        [process.execPath, join(dist, "task-exec.cjs"), "run", "-it", "--entrypoint", "sh", "shop@node-2"],
        { env }
      )
      yield* pty.see(/[$#] /)
      pty.type("tty; exit 5\r")
      yield* pty.see(/\/dev\/pts\/\d/)
      assert.strictEqual((yield* pty.end).code, 5)
      const file = join(yield* temporaryFolder("audit"), "audit.jsonl")
      const json = yield* call(["--output", "json", "--audit-file", file, "shop@node-2", "echo said; exit 4"])
      const { image } = yield* SwarmCluster
      const { command, oneOff, target } = yield* decodeAudited(readFileSync(file, "utf8"))
      assert.deepStrictEqual(command, ["run", "echo said; exit 4"])
      assert.deepStrictEqual([oneOff.image, oneOff.entrypoint], [image, ["sh", "-c"]])
      assert.deepStrictEqual([target.task, target.node], ["shop.run", "node-2"])
      assert.strictEqual(json.code, 4, json.stderr)
      assert.include(json.stdout.toString(), '"shop.run"')
    }).pipe(Effect.scoped)
  )
})
