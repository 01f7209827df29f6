import { spawn } from "node:child_process"
import { createHash, randomBytes } from "node:crypto"
import { chmod, cp, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, layer, type Vitest } from "@effect/vitest"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Tar from "effect/encoding/Tar"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { Demux } from "../../src/engine/Demux.ts"
import { DockerEngine, type DockerEngineOptions } from "../../src/engine/DockerEngine.ts"
import type { Endpoint } from "../../src/engine/Endpoint.ts"
import {
  EngineUnreachable,
  type InvalidEndpoint,
  isConflict,
  isNotFound,
  NotSwarmManager,
  type SwarmFailure
} from "../../src/engine/EngineErrors.ts"
import type { ExecCreate } from "../../src/engine/EngineSchemas.ts"
import type { ExecConnection } from "../../src/engine/ExecRequests.ts"
import { Swarm } from "../../src/engine/Swarm.ts"
import { run } from "../cluster/Command.ts"
import { post } from "../cluster/EngineApi.ts"
import { pollUntil } from "../cluster/Poll.ts"
import { service, waitRunning } from "../cluster/Services.ts"
import { SwarmCluster } from "../cluster/SwarmCluster.ts"

// ---------------------------------------------------------------------------------------------------------------------
// The swarm: two nodes, whose engines also listen for TLS.
// ---------------------------------------------------------------------------------------------------------------------

/** Certificates for any address that the embedded swarm may give its nodes; a second authority that nobody knows. */
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

// ---------------------------------------------------------------------------------------------------------------------
// The endpoints of its first manager.
// ---------------------------------------------------------------------------------------------------------------------

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

/** In the place of ssh: runs what it is told here, with the manager's engine as that machine's own. */
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

// ---------------------------------------------------------------------------------------------------------------------
// What every endpoint has to answer.
// ---------------------------------------------------------------------------------------------------------------------

let names = 0
const fresh = (what: string) => `${what}-${process.pid}-${++names}`

/** A container of the manager's own that sleeps. */
const sleeper = Effect.gen(function* () {
  const engine = yield* DockerEngine
  const { image } = yield* SwarmCluster
  const { id } = yield* Effect.acquireRelease(
    engine.createContainer({
      name: fresh("sleeper"),
      config: { Image: image, Cmd: ["sleep", "1000000"], HostConfig: { NetworkMode: "none" } }
    }),
    ({ id }) => Effect.orDie(engine.removeContainer(id, { force: true }))
  )
  yield* engine.startContainer(id)
  return id
})

const attached = { AttachStdin: true, AttachStdout: true, AttachStderr: true }

const start = Effect.fnUntraced(function* (container: string, exec: ExecCreate, tty = false) {
  const engine = yield* DockerEngine
  const id = yield* engine.createExec(container, { ...exec, Tty: tty })
  return { id, ...(yield* engine.startExec(id, { tty })) }
})

/** All of an exec's output, taken apart. */
const gather = Effect.fnUntraced(function* ({ output }: ExecConnection) {
  const demux = new Demux()
  const parts = { stdin: "", stdout: "", stderr: "", system: "" }
  yield* Stream.runForEach(output, (chunk) =>
    Effect.sync(() => {
      for (const { channel, data } of demux.push(chunk)) parts[channel] += Buffer.from(data).toString("latin1")
    })
  )
  demux.end()
  return parts
})

/** The engine knows an exit code a moment after the end of the output. */
const outcome = Effect.fnUntraced(function* (id: string) {
  const engine = yield* DockerEngine
  return yield* engine
    .inspectExec(id)
    .pipe(Effect.repeat({ schedule: Schedule.spaced("10 millis"), until: (exec) => !exec.Running }))
})

const archiveOf = (entries: ReadonlyArray<Tar.Entry>) =>
  Stream.fromIterable(entries).pipe(Stream.pipeThroughChannel(Tar.encode()), Stream.orDie)

type Methods = Vitest.MethodsNonLive<SwarmCluster | DockerEngine | Swarm>

const engineSuite = (it: Methods) => {
  it.effect("files of a container: stat, write, read", () =>
    Effect.gen(function* () {
      const engine = yield* DockerEngine
      const id = yield* sleeper
      const content = randomBytes(5_000_000)
      const entries = [
        Tar.directory("d", { mode: 0o750 }),
        Tar.file("d/file", content, { mode: 0o4711, uid: 12, gid: 34, mtime: new Date(1e12) }),
        Tar.symlink("d/link", "file")
      ]
      yield* engine.putArchive(id, "/tmp", archiveOf(entries), { copyUIDGID: false })

      const directory = yield* engine.statPath(id, "/tmp/d")
      assert.deepStrictEqual([directory.name, directory.mode], ["d", 2 ** 31 + 0o750])
      const file = yield* engine.statPath(id, "/tmp/d/file")
      // Go has the set-user-ID bit at a place of its own.
      assert.deepStrictEqual([file.size, file.mode, Date.parse(file.mtime)], [content.length, 2 ** 23 + 0o711, 1e12])
      const link = yield* engine.statPath(id, "/tmp/d/link")
      assert.deepStrictEqual([link.mode - 0o777, link.linkTarget], [2 ** 27, "/tmp/d/file"])
      assert.isTrue(isNotFound(yield* Effect.flip(engine.statPath(id, "/none"))))

      const read = yield* engine.getArchive(id, "/tmp/d/file")
      assert.deepStrictEqual(read.stat, file)
      const [found, ...more] = yield* read.content.pipe(
        Stream.pipeThroughChannel(Tar.decode<EngineUnreachable>()),
        Stream.mapEffect(({ body, header }) =>
          Effect.map(Stream.runCollect(body), (chunks) => ({ header, bytes: Buffer.concat(chunks) }))
        ),
        Stream.runCollect
      )
      assert.deepStrictEqual([found?.header.path, found?.header.mode, found?.header.uid], ["file", 0o4711, 12])
      assert.isTrue(found?.bytes.equals(content))
      assert.strictEqual(more.length, 0)
      assert.isTrue(isNotFound(yield* Effect.flip(engine.getArchive(id, "/none"))))
    })
  )

  it.effect("files of a container: a refusal by the engine ends the upload", () =>
    Effect.gen(function* () {
      const engine = yield* DockerEngine
      const id = yield* sleeper
      const put = <E>(path: string, content: Stream.Stream<Uint8Array, E>) =>
        engine.putArchive(id, path, content, { copyUIDGID: false })
      const endless = Stream.concat(
        archiveOf([Tar.file("file", "x")]),
        Stream.fromEffectRepeat(Effect.succeed(Buffer.alloc(65_536, "x")))
      )
      assert.isTrue(isNotFound(yield* Effect.flip(put("/none", endless))))
      assert.strictEqual((yield* Effect.flip(put("/etc/hostname", endless)))._tag, "EngineError")
      const nonsense = Stream.make(Buffer.alloc(100_000, "no archive "))
      assert.strictEqual((yield* Effect.flip(put("/tmp", nonsense)))._tag, "EngineError")
    })
  )

  it.effect("files of a container: a failed or interrupted upload fails on the engine, too", () =>
    Effect.gen(function* () {
      const engine = yield* DockerEngine
      const id = yield* sleeper
      const beginning = Stream.take(archiveOf([Tar.file("file", Buffer.alloc(1_000_000))]), 1)
      const put = <E>(content: Stream.Stream<Uint8Array, E>) =>
        engine.putArchive(id, "/tmp", content, { copyUIDGID: false })
      assert.strictEqual(yield* Effect.flip(put(Stream.concat(beginning, Stream.fail("mine")))), "mine")
      const begun = yield* Latch.make()
      const endless = Stream.concat(
        Stream.concat(beginning, Stream.fromEffectDrain(Effect.sync(() => Latch.openUnsafe(begun)))),
        Stream.never
      )
      const fiber = yield* Effect.forkChild(put(endless))
      yield* begun.await
      yield* Fiber.interrupt(fiber)
      // As long as it unpacks, the engine lets nobody else at the container.
      assert.strictEqual((yield* engine.statPath(id, "/tmp")).name, "tmp")
    })
  )

  it.effect("files of a container: a slow consumer holds back the engine", () =>
    Effect.gen(function* () {
      const engine = yield* DockerEngine
      const id = yield* sleeper
      const { id: exec, output } = yield* start(id, { ...attached, Cmd: ["truncate", "-s", "100G", "/tmp/huge"] })
      yield* Stream.runDrain(output)
      yield* outcome(exec)
      const first = yield* Effect.scoped(
        Effect.flatMap(engine.getArchive(id, "/tmp/huge"), ({ content }) => Stream.runHead(content))
      )
      assert.strictEqual(first._tag, "Some")
      assert.strictEqual((yield* engine.statPath(id, "/tmp/huge")).size, 100 * 1024 ** 3)
    })
  )

  it.effect("version and info", () =>
    Effect.gen(function* () {
      const engine = yield* DockerEngine
      const { manager } = yield* SwarmCluster
      const version = yield* engine.version
      assert.match(version.ApiVersion, /^1\.\d+$/)
      const info = yield* engine.info
      assert.strictEqual(info.Name, "node-1")
      assert.strictEqual(info.ServerVersion, version.Version)
      assert.strictEqual(info.Swarm.NodeID, manager.nodeId)
      assert.isTrue(info.Swarm.ControlAvailable)
      assert.strictEqual(info.Swarm.LocalNodeState, "active")
    })
  )

  it.effect("nodes", () =>
    Effect.gen(function* () {
      const swarm = yield* Swarm
      const { manager } = yield* SwarmCluster
      const nodes = yield* swarm.listNodes()
      assert.deepStrictEqual(nodes.map((node) => node.Description.Hostname).sort(), ["node-1", "node-2"])
      assert.deepStrictEqual((yield* swarm.listNodes({ role: ["worker"] })).length, 1)
      const node = yield* swarm.inspectNode(manager.nodeId)
      assert.isTrue(node.ManagerStatus?.Leader)
      assert.deepStrictEqual(
        [node.Spec.Role, node.Spec.Availability, node.Status.State],
        ["manager", "active", "ready"]
      )
      assert.isTrue(isNotFound(yield* Effect.flip(swarm.inspectNode("nope"))))
    })
  )

  it.effect("services and their tasks", () =>
    Effect.gen(function* () {
      const engine = yield* DockerEngine
      const swarm = yield* Swarm
      const { image, manager } = yield* SwarmCluster
      const name = fresh("web")
      const spec = {
        Name: name,
        Labels: { mine: "yes" },
        TaskTemplate: {
          ContainerSpec: { Image: image, Command: ["sleep", "1000000"], StopGracePeriod: 1 },
          Placement: { Constraints: ["node.role==manager"] }
        },
        Mode: { Replicated: { Replicas: 2 } },
        EndpointSpec: { Mode: "dnsrr" as const }
      }
      const { id, warnings } = yield* Effect.acquireRelease(swarm.createService(spec), ({ id }) =>
        Effect.orDie(Effect.catchIf(swarm.removeService(id), isNotFound, () => Effect.void))
      )
      assert.deepStrictEqual(warnings, [])
      const running = yield* waitRunning(manager.socket, name, 2)

      assert.deepStrictEqual(
        (yield* swarm.listServices({ label: ["mine=yes"], name: [name] })).map((one) => one.ID),
        [id]
      )
      const inspected = yield* swarm.inspectService(name)
      assert.deepStrictEqual(inspected.Spec.Mode, { Replicated: { Replicas: 2 } })
      assert.deepStrictEqual(inspected.Spec.Labels, { mine: "yes" })

      const tasks = yield* swarm.listTasks({ service: [name], "desired-state": ["running"] })
      assert.deepStrictEqual(tasks.map((task) => task.ID).sort(), running.map((task) => task.id).sort())
      const task = yield* swarm.inspectTask(running[0]?.id ?? "")
      for (const whole of [task.Spec, inspected.Spec.TaskTemplate]) {
        assert.include(JSON.stringify(whole), `"Image":${JSON.stringify(image)}`)
      }
      assert.strictEqual(task.Slot, 1)
      assert.strictEqual(task.NodeID, manager.nodeId)
      assert.strictEqual(task.Status.State, "running")
      assert.strictEqual(task.Status.ContainerStatus?.ContainerID, running[0]?.containerId)
      const container = yield* engine.inspectContainer(task.Status.ContainerStatus?.ContainerID ?? "")
      assert.strictEqual(container.Config.Labels["com.docker.swarm.task.id"], task.ID)
      assert.deepStrictEqual(yield* swarm.listTasks({ service: [name], "desired-state": ["shutdown"] }), [])

      assert.isTrue(isConflict(yield* Effect.flip(swarm.createService(spec))))
      yield* swarm.removeService(id)
      assert.isTrue(isNotFound(yield* Effect.flip(swarm.removeService(id))))
      assert.isTrue(isNotFound(yield* Effect.flip(swarm.inspectService(name))))
      assert.isTrue(isNotFound(yield* Effect.flip(swarm.inspectTask("nope"))))
    })
  )

  it.effect("secrets", () =>
    Effect.gen(function* () {
      const swarm = yield* Swarm
      const secret = { name: fresh("secret"), labels: { mine: "yes" }, data: randomBytes(1000) }
      const id = yield* swarm.createSecret(secret)
      assert.deepStrictEqual(
        (yield* swarm.listSecrets({ label: ["mine=yes"] })).map(({ ID, Spec }) => [ID, Spec.Name]),
        [[id, secret.name]]
      )
      assert.isTrue(isConflict(yield* Effect.flip(swarm.createSecret(secret))))
      yield* swarm.removeSecret(id)
      assert.isTrue(isNotFound(yield* Effect.flip(swarm.removeSecret(id))))
      assert.deepStrictEqual(yield* swarm.listSecrets({ label: ["mine=yes"] }), [])
      const large = yield* Effect.flip(swarm.createSecret({ ...secret, data: randomBytes(600_000) }))
      assert.strictEqual(large._tag === "EngineError" && large.status, 400)
    })
  )

  it.effect("networks", () =>
    Effect.gen(function* () {
      const engine = yield* DockerEngine
      const [host] = yield* engine.listNetworks({ driver: ["host"] })
      assert.strictEqual(host?.Name, "host")
      assert.isTrue((yield* engine.listNetworks({ scope: ["swarm"] })).some((network) => network.Ingress))
    })
  )

  it.effect("the life of a container", () =>
    Effect.gen(function* () {
      const engine = yield* DockerEngine
      const { image } = yield* SwarmCluster
      const name = fresh("box")
      const config = {
        Image: image,
        Cmd: ["sh", "-c", "printf 'out\\0'; printf err >&2; until [ -e /tmp/go ]; do sleep 0.05; done; exit 7"],
        Labels: { mine: name },
        HostConfig: { NetworkMode: "none" }
      }
      const { id } = yield* engine.createContainer({ name, config })
      assert.isTrue(isConflict(yield* Effect.flip(engine.createContainer({ name, config }))))
      assert.deepStrictEqual(yield* engine.listContainers({ label: [`mine=${name}`] }, { all: false }), [])
      yield* engine.startContainer(id)
      yield* engine.startContainer(id)
      const [seen] = yield* engine.listContainers({ label: [`mine=${name}`] }, { all: false })
      assert.deepStrictEqual([seen?.Id, seen?.State, seen?.Names], [id, "running", [`/${name}`]])
      yield* engine.startExecDetached(yield* engine.createExec(id, { Cmd: ["touch", "/tmp/go"] }), { tty: false })
      assert.strictEqual(yield* engine.waitContainer(name), 7)
      const logs = yield* engine.containerLogs(id)
      assert.deepStrictEqual(
        [Buffer.from(logs.stdout).toString(), Buffer.from(logs.stderr).toString(), logs.truncated],
        ["out\0", "err", false]
      )
      const some = yield* engine.containerLogs(id, { limit: 5 })
      assert.isTrue(some.truncated)
      assert.strictEqual(some.stdout.length + some.stderr.length, 5)
      const ended = yield* engine.inspectContainer(name)
      assert.deepStrictEqual([ended.State.Status, ended.State.ExitCode, ended.State.Pid], ["exited", 7, 0])
      assert.isTrue(isConflict(yield* Effect.flip(engine.killContainer(id, "KILL"))))
      yield* engine.removeContainer(id, { force: false })
      for (const request of [
        engine.inspectContainer(id),
        engine.startContainer(id),
        engine.waitContainer(id),
        engine.containerLogs(id),
        engine.removeContainer(id, { force: true }),
        engine.createExec(id, { Cmd: ["true"] })
      ])
        assert.isTrue(isNotFound(yield* Effect.flip(Effect.asVoid(request))))
    })
  )

  it.effect("killing a container", () =>
    Effect.gen(function* () {
      const engine = yield* DockerEngine
      const id = yield* sleeper
      assert.isTrue(isConflict(yield* Effect.flip(engine.removeContainer(id, { force: false }))))
      const waiting = yield* Effect.forkChild(engine.waitContainer(id))
      yield* Effect.sleep("50 millis")
      yield* engine.killContainer(id, "SIGKILL")
      assert.strictEqual(yield* Fiber.join(waiting), 137)
    })
  )

  it.effect("images", () =>
    Effect.gen(function* () {
      const engine = yield* DockerEngine
      const { image } = yield* SwarmCluster
      const found = yield* engine.inspectImage(image)
      assert.match(found.Id, /^sha256:/)
      assert.isTrue(found.RepoTags.includes(image))
      assert.strictEqual((yield* engine.inspectImage(found.RepoDigests[0] ?? "")).Id, found.Id)
      assert.isTrue(isNotFound(yield* Effect.flip(engine.inspectImage("registry.example:5000/no/such:1"))))
    })
  )

  it.effect("exec: both outputs and the exit code", () =>
    Effect.gen(function* () {
      const container = yield* sleeper
      const exec = yield* start(container, {
        Cmd: ["sh", "-c", 'printf "out $A"; printf err >&2; exit 3'],
        Env: ["A=b"],
        ...attached
      })
      assert.strictEqual(exec.framing, "multiplexed")
      const { stdout, stderr, system } = yield* gather(exec)
      assert.deepStrictEqual([stdout, stderr, system], ["out b", "err", ""])
      const { ExitCode, Running, Pid } = yield* outcome(exec.id)
      assert.deepStrictEqual([ExitCode, Running], [3, false])
      assert.isAbove(Pid, 0)
    })
  )

  it.effect("exec: an unknown command", () =>
    Effect.gen(function* () {
      const container = yield* sleeper
      const exec = yield* start(container, { Cmd: ["/no/such"], ...attached })
      const { stdout, stderr } = yield* gather(exec)
      assert.include(stdout + stderr, "no such file or directory")
      const { ExitCode, Pid } = yield* outcome(exec.id)
      assert.strictEqual(Pid, 0)
      assert.isTrue(ExitCode === 126 || ExitCode === 127)
    })
  )

  it.effect("exec: megabytes in and out at the same time, and the end of the input", () =>
    Effect.gen(function* () {
      const container = yield* sleeper
      const input = randomBytes(5_000_000)
      const exec = yield* start(container, { Cmd: ["cat"], ...attached })
      const writing = Effect.gen(function* () {
        for (let at = 0; at < input.length; at += 50_000) yield* exec.write(input.subarray(at, at + 50_000))
        yield* exec.endInput
      })
      const [{ stdout }] = yield* Effect.all([gather(exec), writing], { concurrency: "unbounded" })
      const hash = (data: string | Buffer) => createHash("sha256").update(data).digest("hex")
      assert.strictEqual(hash(Buffer.from(stdout, "latin1")), hash(input))
      assert.strictEqual((yield* outcome(exec.id)).ExitCode, 0)
    })
  )

  it.effect("exec: a consumer that does not read holds back the command", () =>
    Effect.gen(function* () {
      const engine = yield* DockerEngine
      const container = yield* sleeper
      const size = 60_000_000
      const exec = yield* start(container, { Cmd: ["head", "-c", String(size), "/dev/zero"], ...attached })
      const before = process.memoryUsage().rss
      yield* Effect.sleep("1 second")
      assert.isTrue((yield* engine.inspectExec(exec.id)).Running)
      assert.isBelow(process.memoryUsage().rss - before, 30_000_000)
      const demux = new Demux()
      let seen = 0
      yield* Stream.runForEach(exec.output, (chunk) =>
        Effect.sync(() => {
          for (const { data } of demux.push(chunk)) seen += data.length
        })
      )
      assert.strictEqual(seen, size)
      assert.strictEqual((yield* outcome(exec.id)).ExitCode, 0)
    })
  )

  it.effect("exec: unread input does not lose pending output", () =>
    Effect.gen(function* () {
      const container = yield* sleeper
      const size = 500_000
      const exec = yield* start(container, { Cmd: ["head", "-c", String(size), "/dev/zero"], ...attached })
      const writing = yield* Effect.forkChild(exec.write(Buffer.alloc(100_000)).pipe(Effect.forever, Effect.flip))
      const demux = new Demux()
      let seen = 0
      yield* Stream.runForEach(exec.output, (chunk) =>
        Effect.suspend(() => {
          for (const { data } of demux.push(chunk)) seen += data.length
          return Effect.sleep("10 millis")
        })
      )
      assert.strictEqual(seen, size)
      yield* Fiber.interrupt(writing)
    })
  )

  it.effect("exec: the command continues after the connection is closed", () =>
    Effect.gen(function* () {
      const engine = yield* DockerEngine
      const container = yield* sleeper
      const scope = yield* Scope.make()
      const exec = yield* start(container, { Cmd: ["sleep", "1000"], ...attached }).pipe(Scope.provide(scope))
      yield* Scope.close(scope, Exit.void)
      assert.isTrue((yield* engine.inspectExec(exec.id)).Running)
      assert.isNull((yield* engine.inspectExec(exec.id)).ExitCode)
    })
  )

  it.effect("exec: a terminal", () =>
    Effect.gen(function* () {
      const engine = yield* DockerEngine
      const container = yield* sleeper
      const exec = yield* start(container, { Cmd: ["sh", "-c", "read x; stty size; echo err >&2"], ...attached }, true)
      assert.strictEqual(exec.framing, "raw")
      yield* engine.resizeExec(exec.id, { w: 99, h: 33 }).pipe(
        // It takes a moment until there is a terminal to resize.
        Effect.retry({ schedule: Schedule.spaced("20 millis"), times: 3000 })
      )
      yield* exec.write(Buffer.from("\n"))
      const output = Buffer.concat(yield* Stream.runCollect(exec.output)).toString()
      assert.strictEqual(output, "\r\n33 99\r\nerr\r\n")
    })
  )

  it.effect("exec: detached, once", () =>
    Effect.gen(function* () {
      const engine = yield* DockerEngine
      const container = yield* sleeper
      const id = yield* engine.createExec(container, { Cmd: ["sh", "-c", "exit 5"] })
      assert.isNull((yield* engine.inspectExec(id)).ExitCode)
      yield* engine.startExecDetached(id, { tty: false })
      assert.strictEqual((yield* outcome(id)).ExitCode, 5)
      const again = yield* Effect.flip(engine.startExecDetached(id, { tty: false }))
      assert.strictEqual(again._tag === "EngineError" && again.status, 409)
      assert.isTrue(isNotFound(yield* Effect.flip(engine.inspectExec("nope"))))
      assert.isTrue(isNotFound(yield* Effect.flip(Effect.scoped(engine.startExec("nope", { tty: false })))))
    })
  )

  it.effect("the log of a service", () =>
    Effect.gen(function* () {
      const swarm = yield* Swarm
      const { image, manager } = yield* SwarmCluster
      const name = fresh("log")
      const command = ["sh", "-c", "echo one; echo two >&2; sleep 1; echo three; sleep 1000"]
      yield* service(manager.socket, { name, image, command })
      yield* waitRunning(manager.socket, name, 1)
      const log = yield* swarm.serviceLogs(name, { follow: true })
      const demux = new Demux()
      const pieces = yield* log.pipe(
        Stream.flatMap((chunk) => Stream.fromIterable(demux.push(chunk))),
        Stream.map(({ channel, data }) => `${channel} ${Buffer.from(data)}`),
        Stream.take(3),
        Stream.runCollect
      )
      assert.deepStrictEqual([...pieces].sort(), ["stderr two\n", "stdout one\n", "stdout three\n"])
      const tail = yield* swarm.serviceLogs(name, { follow: false, tail: 1 })
      const last = new Demux().push(Buffer.concat(yield* Stream.runCollect(tail)))
      assert.deepStrictEqual(
        last.map(({ data }) => Buffer.from(data).toString()),
        ["three\n"]
      )
      assert.isTrue(isNotFound(yield* Effect.flip(Effect.scoped(swarm.serviceLogs("nope", { follow: true })))))
    })
  )

  it.effect("an interrupted request is aborted", () =>
    Effect.gen(function* () {
      const engine = yield* DockerEngine
      const id = yield* sleeper
      const fiber = yield* Effect.forkChild(engine.waitContainer(id))
      yield* Effect.sleep("100 millis")
      yield* Fiber.interrupt(fiber).pipe(Effect.timeout("30 seconds"))
      assert.isTrue((yield* engine.inspectContainer(id)).State.Running)
    })
  )

  it.effect("many at once", () =>
    Effect.gen(function* () {
      const engine = yield* DockerEngine
      const all = yield* Effect.all(
        Array.from({ length: 20 }, () => engine.version),
        { concurrency: "unbounded" }
      )
      assert.strictEqual(new Set(all.map((one) => one.Version)).size, 1)
    })
  )
}

// ---------------------------------------------------------------------------------------------------------------------
// What goes wrong.
// ---------------------------------------------------------------------------------------------------------------------

/** The engine at this address, as long as the test lives. */
const engineAt = (endpoint: Endpoint, options?: DockerEngineOptions) =>
  Effect.map(Layer.build(DockerEngine.layerFor(endpoint, options)), (context) => Context.get(context, DockerEngine))

/** The swarm through the node at this address, as long as the test lives. */
const swarmAt = (endpoint: Endpoint) =>
  Effect.map(Layer.build(Swarm.layerFor(endpoint)), (context) => Context.get(context, Swarm))

const unreachable = (error: unknown) => {
  assert.instanceOf(error, EngineUnreachable)
  return error
}

/** Runs a program of ours as the user "nobody"; gives its output. */
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

/** The address of the engine that these variables name, and what it calls itself. */
const nameFrom = (env: Record<string, string>) =>
  Effect.provide(
    Swarm.use((swarm) => Effect.map(swarm.info, (info) => [swarm.host, info.Name])),
    Layer.provide(Swarm.layer, Layer.succeed(ConfigProvider.ConfigProvider, ConfigProvider.fromEnvRecord(env)))
  )

layer(Cluster, { timeout: 180_000, excludeTestServices: true })("DockerEngine", (it) => {
  it.layer(overUnix)("over a socket", engineSuite)
  it.layer(overTls)("over TLS", engineSuite)
  it.layer(overSsh)("over ssh", engineSuite)

  describe("failures", () => {
    it.effect("the engine of the environment", () =>
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

    it.effect("the engine of a docker context: with TLS, over ssh", () =>
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

    it.effect("a certificate of another authority", () =>
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
        // The engine closes the connection on whom it does not know.
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

    it.effect("ssh to an unknown host", () =>
      Effect.gen(function* () {
        const engine = yield* engineAt({ _tag: "Ssh", host: "no-such-host.invalid" })
        const error = unreachable(yield* Effect.flip(engine.info))
        assert.strictEqual(error.reason, "Ssh")
        assert.include(error.message, "ssh://no-such-host.invalid")
      }).pipe(Effect.scoped)
    )

    it.effect("a socket without permission", () =>
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

    it.effect("an engine that does not respond", () =>
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

    it.effect("an engine that dies while its events are read, and an address without an engine", () =>
      Effect.gen(function* () {
        const cluster = yield* SwarmCluster
        const [, node] = cluster.nodes
        assert.isDefined(node)
        const engine = yield* engineAt({ _tag: "Unix", path: node.socket })
        // The node may still be ending what another test had there.
        const name = fresh("there")
        yield* service(cluster.manager.socket, { name, image: cluster.image, node: node.name })
        const [task] = yield* waitRunning(cluster.manager.socket, name, 1)
        assert.isDefined(task)
        const { containerId } = task
        const id = yield* engine.createExec(containerId, { Cmd: ["sleep", "1000"], ...attached })
        const exec = yield* engine.startExec(id, { tty: false })
        const reading = yield* Effect.forkChild(Effect.exit(Stream.runDrain(exec.output)))
        const waiting = yield* Effect.forkChild(Effect.flip(engine.waitContainer(containerId)))
        // With this answer the request before it has long been there.
        yield* engine.inspectContainer(containerId)
        yield* Effect.acquireRelease(cluster.killEngine(node, "SIGKILL"), () => Effect.orDie(cluster.startEngine(node)))
        assert.strictEqual(unreachable(yield* Fiber.join(waiting)).reason, "Lost")
        // A bare connection does not tell an end from a death: who wants to know asks for the exit code.
        yield* Fiber.join(reading)
        // The kernel may still be taking connections for a process that is gone; then they break.
        yield* pollUntil(
          Effect.map(Effect.flip(engine.inspectExec(id)), (error) => {
            const { reason } = unreachable(error)
            return reason === "Refused" || reason === "NoSocket"
          }),
          { atMost: 120_000, orElse: Effect.die("the socket stays open") }
        )
      })
    )

    it.effect("a worker, and a node outside of a swarm", () =>
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
        // Its own things it tells.
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
