/** The engine client on real engines: over a socket, TLS and ssh, and its errors. */
import { spawn } from "node:child_process"
import { chmod, cp, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, layer } from "@effect/vitest"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { DockerEngine, type DockerEngineOptions } from "../../src/engine/DockerEngine.ts"
import type { Endpoint } from "../../src/engine/Endpoint.ts"
import {
  EngineUnreachable,
  type InvalidEndpoint,
  NotSwarmManager,
  type SwarmFailure
} from "../../src/engine/EngineErrors.ts"
import { Swarm } from "../../src/engine/Swarm.ts"
import { run } from "../cluster/Command.ts"
import { post } from "../cluster/EngineApi.ts"
import { pollUntil } from "../cluster/Poll.ts"
import { service, waitRunning } from "../cluster/Services.ts"
import { SwarmCluster } from "../cluster/SwarmCluster.ts"
import { attached, fresh, Sleeper } from "./EngineFixtures.ts"
import { engineSuite } from "./EngineSuite.ts"

/** Certificates for all addresses that the embedded swarm may give its nodes, and those of another, unknown authority. */
class Certificates extends Context.Service<Certificates, { readonly good: string; readonly foreign: string }>()(
  "task-exec/test/Certificates"
) {
  static readonly layer = Layer.effect(
    Certificates,
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const addresses = Array.from({ length: 64 }, (_, n) => [`IP:10.213.${n}.11`, `IP:10.213.${n}.12`])
        .flat()
        .join(",")
      yield* Effect.promise(() => writeFile(join(folder, "san"), `subjectAltName=${addresses},IP:127.0.0.1\n`))
      const make = Effect.fnUntraced(function* (name: string) {
        const at = (file: string) => join(folder, name, file)
        yield* Effect.promise(() => mkdir(join(folder, name)))
        const openssl = (line: string) => run("openssl", line.split(" "))
        const key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
        yield* openssl(`req -x509 ${key} -keyout ${at("ca-key.pem")} -out ${at("ca.pem")} -days 2 -subj /CN=ca`)
        for (const [who, more] of [
          ["server-", `-extfile ${join(folder, "san")}`],
          ["", ""]
        ]) {
          yield* openssl(`req ${key} -keyout ${at(`${who}key.pem`)} -out ${at("csr.pem")} -subj /CN=x`)
          const signed = `x509 -req -in ${at("csr.pem")} -CA ${at("ca.pem")} -CAkey ${at("ca-key.pem")} -CAcreateserial`
          yield* openssl(`${signed} -out ${at(`${who}cert.pem`)} -days 2 ${more}`.trim())
        }
        return join(folder, name)
      })
      return { good: yield* make("good"), foreign: yield* make("foreign") }
    })
  )
}

const temporaryFolder = Effect.acquireRelease(
  Effect.promise(() => mkdtemp(join(tmpdir(), "engine-"))),
  (folder) => Effect.promise(() => rm(folder, { recursive: true }))
)

const Cluster = Layer.unwrap(
  Effect.gen(function* () {
    const { good } = yield* Certificates
    return SwarmCluster.layer({
      nodes: 2,
      dockerdArgs: [
        "--host=tcp://0.0.0.0:2376",
        "--tlsverify",
        `--tlscacert=${good}/ca.pem`,
        `--tlscert=${good}/server-cert.pem`,
        `--tlskey=${good}/server-key.pem`
      ]
    })
  })
).pipe(Layer.provideMerge(Certificates.layer))

/** The manager at this address, as one engine and as a swarm. */
const at = (endpoint: Endpoint) => Layer.merge(DockerEngine.layerFor(endpoint), Swarm.layerFor(endpoint))

const overUnix = Layer.unwrap(Effect.map(SwarmCluster, ({ manager }) => at({ _tag: "Unix", path: manager.socket })))

const overTls = Layer.unwrap(
  Effect.gen(function* () {
    const { manager } = yield* SwarmCluster
    const { good } = yield* Certificates
    return at({ _tag: "Tls", host: manager.address, port: 2376, basePath: "", certPath: good })
  })
)

/** Replaces ssh: runs the remote command locally, with the manager's engine as the remote machine's own. */
const sshStandIn = Effect.gen(function* () {
  const { manager } = yield* SwarmCluster
  const folder = yield* temporaryFolder
  const script = `#!/bin/sh
while [ "$1" != -- ]; do shift; done
[ "$2" = node-1 ] || { echo "ssh: Could not resolve hostname $2" >&2; exit 255; }
shift 2
DOCKER_HOST=${manager.dockerHost} exec "$@"
`
  yield* Effect.promise(async () => {
    await writeFile(join(folder, "ssh"), script)
    await chmod(join(folder, "ssh"), 0o755)
  })
  const path = process.env.PATH ?? ""
  yield* Effect.acquireRelease(
    Effect.sync(() => {
      process.env.PATH = `${folder}:${path}`
    }),
    () =>
      Effect.sync(() => {
        process.env.PATH = path
      })
  )
})

const overSsh = Layer.unwrap(Effect.as(sshStandIn, at({ _tag: "Ssh", host: "node-1" })))

/** The engine at this address, until the end of the test. */
const engineAt = (endpoint: Endpoint, options?: DockerEngineOptions) =>
  Effect.map(Layer.build(DockerEngine.layerFor(endpoint, options)), (context) => Context.get(context, DockerEngine))

/** The swarm through the node at this address, until the end of the test. */
const swarmAt = (endpoint: Endpoint) =>
  Effect.map(Layer.build(Swarm.layerFor(endpoint)), (context) => Context.get(context, Swarm))

const unreachable = (error: unknown) => {
  assert.instanceOf(error, EngineUnreachable)
  return error
}

/** Runs code as the user "nobody". Returns its output. */
const asNobody = (code: string, env: Record<string, string>) =>
  Effect.callback<string>((resume) => {
    const child = spawn(process.execPath, ["--input-type=module", "--eval", code], {
      uid: 65534,
      gid: 65534,
      env,
      cwd: "/",
      stdio: ["ignore", "pipe", "inherit"]
    })
    let output = ""
    child.stdout.on("data", (chunk: Buffer) => {
      output += chunk
    })
    child.on("close", () => resume(Effect.succeed(output)))
  })

/** The address of the engine that these variables select, and its host name. */
const nameFrom = (env: Record<string, string>) =>
  Effect.provide(
    Swarm.use((swarm) => Effect.map(swarm.info, (info) => [swarm.host, info.Name])),
    Layer.provide(Swarm.layer, Layer.succeed(ConfigProvider.ConfigProvider, ConfigProvider.fromEnvRecord(env)))
  )

const withSleeper = <E, R>(connection: Layer.Layer<DockerEngine | Swarm, E, R>) =>
  Layer.provideMerge(Sleeper.layer, connection)

layer(Cluster, { timeout: 180_000, excludeTestServices: true })("DockerEngine", (it) => {
  it.layer(withSleeper(overUnix))("over a socket", engineSuite)
  it.layer(withSleeper(overTls))("over TLS", engineSuite)
  it.layer(withSleeper(overSsh))("over ssh", engineSuite)

  describe("the selected engine", () => {
    it.effect("is the one of DOCKER_HOST, with or without TLS", () =>
      Effect.gen(function* () {
        const { manager } = yield* SwarmCluster
        const { good } = yield* Certificates
        assert.deepStrictEqual(yield* nameFrom({ DOCKER_HOST: manager.dockerHost }), [manager.dockerHost, "node-1"])
        const tls = { DOCKER_HOST: `tcp://${manager.address}`, DOCKER_TLS_VERIFY: "yes" }
        assert.deepStrictEqual(yield* nameFrom({ ...tls, DOCKER_CERT_PATH: good }), [
          `https://${manager.address}:2376`,
          "node-1"
        ])
        const missing = yield* Effect.flip(nameFrom({ ...tls, DOCKER_CERT_PATH: "/nowhere" }))
        assert.strictEqual(missing._tag, "InvalidEndpoint")
        assert.include(missing.message, "/nowhere/ca.pem")
      })
    )

    it.effect("is the one of a docker context, with TLS or over ssh", () =>
      Effect.gen(function* () {
        const { manager } = yield* SwarmCluster
        const { good } = yield* Certificates
        yield* sshStandIn
        const dir = yield* temporaryFolder
        const tcp = `tcp://${manager.address}:2376`
        const files = `ca=${good}/ca.pem,cert=${good}/cert.pem,key=${good}/key.pem`
        for (const [name, docker, host] of [
          ["tls", `host=${tcp},${files}`, `https://${manager.address}:2376`],
          ["ssh", "host=ssh://node-1", "ssh://node-1"]
        ] as const) {
          const env = { PATH: process.env.PATH ?? "", HOME: dir, DOCKER_CONFIG: dir }
          yield* run("docker", ["context", "create", name, "--docker", docker], { env })
          const context = { DOCKER_CONFIG: dir, DOCKER_CONTEXT: name }
          assert.deepStrictEqual(yield* nameFrom(context), [host, "node-1"])
        }
      }).pipe(Effect.scoped)
    )
  })

  describe("a typed error is returned for an engine", () => {
    it.effect("with a certificate of another authority", () =>
      Effect.gen(function* () {
        const { manager } = yield* SwarmCluster
        const { good, foreign } = yield* Certificates
        const at = (certPath: string): Endpoint => ({
          _tag: "Tls",
          host: manager.address,
          port: 2376,
          basePath: "",
          certPath
        })
        const failure = (endpoint: Endpoint) =>
          Effect.map(
            Effect.flatMap(engineAt(endpoint), (engine) => Effect.flip(engine.info)),
            unreachable
          )
        assert.strictEqual((yield* failure(at(foreign))).reason, "Tls")
        // The engine closes the connection of a client that it does not know.
        const stranger = yield* temporaryFolder
        yield* Effect.promise(async () => {
          for (const file of ["cert.pem", "key.pem"]) await cp(join(foreign, file), join(stranger, file))
          await cp(join(good, "ca.pem"), join(stranger, "ca.pem"))
        })
        const refused = yield* failure(at(stranger))
        assert.isTrue(refused.reason === "Tls" || refused.reason === "Lost")
        assert.match(refused.message, /certificate|cert\.pem/)
        const plain = yield* failure({ _tag: "Tcp", host: manager.address, port: 2376, basePath: "" })
        assert.strictEqual(plain.reason, "Tls")
        assert.match(plain.message, /the engine accepts only TLS on this port\. Check DOCKER_TLS_VERIFY/)
        const half = yield* temporaryFolder
        yield* Effect.promise(async () => {
          for (const file of ["ca.pem", "cert.pem"]) await cp(join(good, file), join(half, file))
        })
        const incomplete: InvalidEndpoint = yield* Effect.flip(engineAt(at(half)))
        assert.include(incomplete.message, "only one of cert.pem and key.pem")
      })
    )

    it.effect("on an unknown ssh host", () =>
      Effect.gen(function* () {
        const engine = yield* engineAt({ _tag: "Ssh", host: "no-such-host.invalid" })
        const error = unreachable(yield* Effect.flip(engine.info))
        assert.strictEqual(error.reason, "Ssh")
        assert.include(error.message, "ssh://no-such-host.invalid")
      }).pipe(Effect.scoped)
    )

    it.effect("whose socket the user must not open", () =>
      Effect.gen(function* () {
        if (process.getuid?.() !== 0) return
        const { manager } = yield* SwarmCluster
        const output = yield* asNobody(
          `import * as Effect from "effect/Effect"
          import { Swarm } from "${join(import.meta.dirname, "../../src/engine/Swarm.ts")}"
          const failure = Swarm.use((swarm) => swarm.info).pipe(Effect.provide(Swarm.layer), Effect.flip)
          console.log((await Effect.runPromise(failure)).message)`.replaceAll(
            '"effect/Effect"',
            JSON.stringify(import.meta.resolve("effect/Effect"))
          ),
          { DOCKER_HOST: manager.dockerHost }
        )
        assert.include(output, `permission denied on ${manager.socket}. Use root, or a user in the group`)
      })
    )

    it.effect("that does not respond", () =>
      Effect.gen(function* () {
        const cluster = yield* SwarmCluster
        const [, node] = cluster.nodes
        assert.isDefined(node)
        const engine = yield* engineAt({ _tag: "Unix", path: node.socket }, { engineTimeout: "300 millis" })
        yield* Effect.acquireRelease(cluster.killEngine(node, "SIGSTOP"), () =>
          Effect.orDie(cluster.killEngine(node, "SIGCONT"))
        )
        const error = unreachable(yield* Effect.flip(engine.info))
        assert.strictEqual(error.reason, "Timeout")
      })
    )

    it.effect("that dies during requests, and for an address without an engine", () =>
      Effect.gen(function* () {
        const cluster = yield* SwarmCluster
        const [, node] = cluster.nodes
        assert.isDefined(node)
        const engine = yield* engineAt({ _tag: "Unix", path: node.socket })
        // A container of another test may still be in removal on the node.
        const name = fresh("there")
        yield* service(cluster.manager.socket, { name, image: cluster.image, node: node.name })
        const [task] = yield* waitRunning(cluster.manager.socket, name, 1)
        assert.isDefined(task)
        const { containerId } = task
        const id = yield* engine.createExec(containerId, { Cmd: ["sleep", "1000"], ...attached })
        const exec = yield* engine.startExec(id, { tty: false })
        const reading = yield* Effect.forkChild(Effect.exit(Stream.runDrain(exec.output)))
        const waiting = yield* Effect.forkChild(Effect.flip(engine.waitContainer(containerId)))
        // When this request is answered, the engine has received the one before it.
        yield* engine.inspectContainer(containerId)
        yield* Effect.acquireRelease(cluster.killEngine(node, "SIGKILL"), () => Effect.orDie(cluster.startEngine(node)))
        assert.strictEqual(unreachable(yield* Fiber.join(waiting)).reason, "Lost")
        // A connection does not tell whether the command or the engine has ended. Only the exit code does.
        yield* Fiber.join(reading)
        // The kernel may still accept connections for the ended process, and then breaks them.
        yield* pollUntil(
          Effect.map(Effect.flip(engine.inspectExec(id)), (error) => {
            const { reason } = unreachable(error)
            return reason === "Refused" || reason === "NoSocket"
          }),
          { atMost: 120_000, orElse: Effect.die("the socket stays open") }
        )
      })
    )

    it.effect("that is a worker, or outside of a swarm", () =>
      Effect.gen(function* () {
        const { manager, nodes } = yield* SwarmCluster
        const [, node] = nodes
        assert.isDefined(node)
        const engine = yield* engineAt({ _tag: "Unix", path: node.socket })
        const swarm = yield* swarmAt({ _tag: "Unix", path: node.socket })
        const questions: ReadonlyArray<Effect.Effect<unknown, SwarmFailure>> = [
          swarm.listTasks({}),
          swarm.inspectService("x"),
          swarm.listNodes(),
          swarm.createSecret({ name: "x", labels: {}, data: Buffer.from("x") }),
          Effect.scoped(swarm.serviceLogs("x", { follow: true }))
        ]
        for (const question of questions) {
          const error = yield* Effect.flip(question)
          assert.instanceOf(error, NotSwarmManager)
          assert.deepStrictEqual([error.state, error.node], ["worker", "node-2"])
          assert.deepStrictEqual(error.managers, [`${manager.address}:2377`])
        }
        // Requests about its own objects succeed.
        assert.strictEqual((yield* engine.listNetworks({ driver: ["host"] })).length, 1)
        yield* post(node.socket, "/swarm/leave", Schema.Unknown, { query: { force: "1" } }).pipe(
          Effect.catchTag("EngineApiError", (error) => (error.status === null ? Effect.fail(error) : Effect.void))
        )
        const error = yield* Effect.flip(swarm.listTasks({}))
        assert.instanceOf(error, NotSwarmManager)
        assert.deepStrictEqual([error.state, error.node, error.managers], ["inactive", "node-2", []])
      })
    )
  })
})
