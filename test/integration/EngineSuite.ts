/** Tests of the requests to an engine and its swarm, for every kind of connection. */
import { createHash, randomBytes } from "node:crypto"
import { assert, type Vitest } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Tar from "effect/encoding/Tar"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { Demux } from "../../src/engine/Demux.ts"
import { DockerEngine } from "../../src/engine/DockerEngine.ts"
import { type EngineUnreachable, isConflict, isNotFound } from "../../src/engine/EngineErrors.ts"
import type { ExecConnection } from "../../src/engine/ExecRequests.ts"
import type { ExecCreate } from "../../src/engine/RequestBodies.ts"
import { Swarm } from "../../src/engine/Swarm.ts"
import { service, waitRunning } from "../cluster/Services.ts"
import { SwarmCluster } from "../cluster/SwarmCluster.ts"

let names = 0
/** Returns a new name for an object. */
export const fresh = (what: string) => `${what}-${process.pid}-${++names}`

/** A sleeping container on the manager, outside of Swarm. */
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

/** An exec with all three streams. */
export const attached = { AttachStdin: true, AttachStdout: true, AttachStderr: true }

const start = Effect.fnUntraced(function* (container: string, exec: ExecCreate, tty = false) {
  const engine = yield* DockerEngine
  const id = yield* engine.createExec(container, { ...exec, Tty: tty })
  return { id, ...(yield* engine.startExec(id, { tty })) }
})

/** All output of an exec, by stream. */
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

/** Waits for the exit code, which the engine knows shortly after the end of the output. */
const outcome = Effect.fnUntraced(function* (id: string) {
  const engine = yield* DockerEngine
  return yield* engine
    .inspectExec(id)
    .pipe(Effect.repeat({ schedule: Schedule.spaced("10 millis"), until: (exec) => !exec.Running }))
})

const archiveOf = (entries: ReadonlyArray<Tar.Entry>) =>
  Stream.fromIterable(entries).pipe(Stream.pipeThroughChannel(Tar.encode()), Stream.orDie)

type Methods = Vitest.MethodsNonLive<SwarmCluster | DockerEngine | Swarm>

/** The requests to an engine and its swarm, whatever the connection to them is. */
export const engineSuite = (it: Methods) => {
  it.effect("describes, writes and reads files of a container", () =>
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
      // Go uses another bit for set-user-ID.
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

  it.effect("ends an upload that the engine refuses", () =>
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

  it.effect("breaks a failed or interrupted upload off, so that it fails on the engine, too", () =>
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
      // The engine locks the container while it unpacks.
      assert.strictEqual((yield* engine.statPath(id, "/tmp")).name, "tmp")
    })
  )

  it.effect("holds back the engine if the consumer of files is slow", () =>
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

  it.effect("reports version and info", () =>
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

  it.effect("lists and inspects nodes", () =>
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

  it.effect("creates, lists, inspects and removes services, with their tasks", () =>
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

  it.effect("creates, lists and removes secrets, and refuses one that is too large", () =>
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

  it.effect("lists networks", () =>
    Effect.gen(function* () {
      const engine = yield* DockerEngine
      const [host] = yield* engine.listNetworks({ driver: ["host"] })
      assert.strictEqual(host?.Name, "host")
      assert.isTrue((yield* engine.listNetworks({ scope: ["swarm"] })).some((network) => network.Ingress))
    })
  )

  it.effect("creates, starts, waits for and removes a container", () =>
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

  it.effect("kills a container", () =>
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

  it.effect("inspects images", () =>
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

  it.effect("returns both outputs and the exit code of an exec", () =>
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

  it.effect("reports an unknown command of an exec", () =>
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

  it.effect("carries megabytes in both directions of an exec at once, and the end of the input", () =>
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

  it.effect("holds back the command of an exec if the consumer does not read", () =>
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

  it.effect("loses no output of an exec that leaves its input unread", () =>
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

  it.effect("leaves the command of an exec running when the connection closes", () =>
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

  it.effect("gives an exec a terminal with a size", () =>
    Effect.gen(function* () {
      const engine = yield* DockerEngine
      const container = yield* sleeper
      const exec = yield* start(container, { Cmd: ["sh", "-c", "read x; stty size; echo err >&2"], ...attached }, true)
      assert.strictEqual(exec.framing, "raw")
      yield* engine.resizeExec(exec.id, { w: 99, h: 33 }).pipe(
        // The terminal exists shortly after the start.
        Effect.retry({ schedule: Schedule.spaced("20 millis"), times: 3000 })
      )
      yield* exec.write(Buffer.from("\n"))
      const output = Buffer.concat(yield* Stream.runCollect(exec.output)).toString()
      assert.strictEqual(output, "\r\n33 99\r\nerr\r\n")
    })
  )

  it.effect("starts a detached exec, once", () =>
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

  it.effect("follows the log of a service, and reads its last lines", () =>
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

  it.effect("aborts an interrupted request", () =>
    Effect.gen(function* () {
      const engine = yield* DockerEngine
      const id = yield* sleeper
      const fiber = yield* Effect.forkChild(engine.waitContainer(id))
      yield* Effect.sleep("100 millis")
      yield* Fiber.interrupt(fiber).pipe(Effect.timeout("30 seconds"))
      assert.isTrue((yield* engine.inspectContainer(id)).State.Running)
    })
  )

  it.effect("serves many requests at once", () =>
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
