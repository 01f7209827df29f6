import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, layer } from "@effect/vitest"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as Schema from "effect/Schema"
import { parseElf } from "../../adapters/image/Elf.ts"
import { buildImage, type ImageOptions } from "../../adapters/image/Image.ts"
import { parseImageRef } from "../../adapters/image/ImageRef.ts"
import { makeOciImage } from "../../adapters/image/OciImage.ts"
import { pushImage } from "../../adapters/image/RegistryPush.ts"
import { Demux } from "../../src/engine/Demux.ts"
import type { Endpoint } from "../../src/engine/Endpoint.ts"
import { version } from "../../src/Version.ts"
import { get, post, remove, request } from "../cluster/EngineApi.ts"
import { pullImage } from "../cluster/Images.ts"
import { privateRegistry, registryUser } from "../cluster/Registry.ts"
import { type ClusterNode, SwarmCluster } from "../cluster/SwarmCluster.ts"

/** Replaces swarm-exec: prints its environment in one line and exits with 7. */
const probe = `
const fs = require("node:fs")
if (process.argv[2] === "version") return console.log("1")
const attempt = (f) => { try { f(); return "could" } catch (error) { return error.code } }
const status = fs.readFileSync("/proc/self/status", "utf8")
const { NODE_ENV, NODE_COMPILE_CACHE } = process.env
console.log(JSON.stringify({
  program: require("node:path").basename(process.argv[1]),
  argv: process.argv.slice(2),
  environment: NODE_ENV,
  uid: process.getuid(),
  capabilities: /^CapEff:\\s*(\\S+)$/m.exec(status)[1],
  noNewPrivileges: /^NoNewPrivs:\\s*(\\d)$/m.exec(status)[1],
  write: attempt(() => fs.writeFileSync("/opt/task-exec/new", "")),
  shell: attempt(() => require("node:child_process").execFileSync("sh", ["-c", "true"]))
}))
console.error("to stderr")
process.exitCode = 7
`

const Seen = Schema.fromJsonString(
  Schema.Struct({
    program: Schema.String,
    argv: Schema.Array(Schema.String),
    environment: Schema.String,
    uid: Schema.Int,
    capabilities: Schema.String,
    noNewPrivileges: Schema.String,
    write: Schema.String,
    shell: Schema.String
  })
)
const Created = Schema.Struct({ Id: Schema.String })
const Ended = Schema.Struct({ StatusCode: Schema.Int })
const Index = Schema.Struct({
  manifests: Schema.Array(
    Schema.Struct({ platform: Schema.Struct({ os: Schema.String, architecture: Schema.String }) })
  )
})
const Inspected = Schema.Struct({
  Id: Schema.String,
  Size: Schema.Int,
  RootFS: Schema.Struct({ Layers: Schema.Array(Schema.String) }),
  Config: Schema.Struct({ Labels: Schema.NullOr(Schema.Record(Schema.String, Schema.String)) })
})

const inspect = (node: ClusterNode, ref: string) => get(node.socket, `/images/${ref}/json`, Inspected)

/** Runs a container to its end, with as few permissions as possible. */
const run = Effect.fnUntraced(function* (
  node: ClusterNode,
  config: { readonly Image: string; readonly Cmd: ReadonlyArray<string>; readonly Env?: ReadonlyArray<string> }
) {
  const body = {
    ...config,
    HostConfig: {
      ReadonlyRootfs: true,
      CapDrop: ["ALL"],
      SecurityOpt: ["no-new-privileges"],
      NetworkMode: "none"
    }
  }
  const { Id } = yield* Effect.acquireRelease(post(node.socket, "/containers/create", Created, { body }), ({ Id }) =>
    Effect.orDie(remove(node.socket, `/containers/${Id}?force=1`))
  )
  yield* request(node.socket, "POST", `/containers/${Id}/start`)
  const { StatusCode } = yield* post(node.socket, `/containers/${Id}/wait`, Ended)
  const query = { stdout: "1", stderr: "1" }
  const pieces = new Demux().push(yield* request(node.socket, "GET", `/containers/${Id}/logs`, { query }))
  const text = (channel: string) =>
    Buffer.concat(pieces.filter((piece) => piece.channel === channel).map(({ data }) => data)).toString()
  return { code: StatusCode, stdout: text("stdout"), stderr: text("stderr") }
})

const endpoint = (node: ClusterNode): Endpoint => ({ _tag: "Unix", path: node.socket })

/** Builds the image on the manager, with a program of the test in it. */
const build = Effect.fnUntraced(
  function* (program: string, options: Omit<ImageOptions, "endpoint" | "bundle">) {
    const { manager } = yield* SwarmCluster
    const folder = yield* Effect.acquireRelease(
      Effect.promise(() => mkdtemp(join(tmpdir(), "task-exec-image-"))),
      (path) => Effect.promise(() => rm(path, { recursive: true }))
    )
    const bundle = join(folder, "bundle.cjs")
    yield* Effect.promise(() => writeFile(bundle, program))
    return yield* buildImage({ endpoint: endpoint(manager), bundle, ...options })
  },
  Effect.provide(Logger.layer([]))
)

layer(SwarmCluster.layer({ nodes: 2 }), { timeout: 180_000, excludeTestServices: true })("the image", (it) => {
  it.effect("is built without a registry, is small, and has labels", () =>
    Effect.gen(function* () {
      const { manager } = yield* SwarmCluster
      const image = yield* build(probe, { ref: "task-exec:test", base: "scratch" })
      const { Id, Size, Config } = yield* inspect(manager, "task-exec:test")
      assert.match(image.base, /^task-exec-base:[0-9a-f]{16}$/)
      assert.deepStrictEqual(image, { ref: "task-exec:test", id: Id, size: Size, base: image.base })
      assert.isBelow(Size, 200e6)
      const told = Object.entries(Config.Labels ?? {}).filter(([name]) => name.startsWith("org.opencontainers.image."))
      assert.deepStrictEqual(Object.fromEntries(told), {
        "org.opencontainers.image.title": "task-exec",
        "org.opencontainers.image.description":
          "docker service exec: run a command in the container of any Docker Swarm task",
        "org.opencontainers.image.licenses": "MIT",
        "org.opencontainers.image.version": version
      })
    })
  )

  it.effect("is task-exec unless its first word names the other program", () =>
    Effect.gen(function* () {
      const { manager } = yield* SwarmCluster
      for (const [Cmd, program, argv] of [
        [["web.2", "true"], "task-exec", ["web.2", "true"]],
        [["task-exec", "web.2", "true"], "task-exec", ["web.2", "true"]],
        [["task-exec", "helper", "date"], "task-exec", ["helper", "date"]],
        [["swarm-exec", "inst_exec"], "swarm-exec", ["inst_exec"]]
      ] as const) {
        const seen = yield* Schema.decodeEffect(Seen)((yield* run(manager, { Image: "task-exec:test", Cmd })).stdout)
        assert.deepStrictEqual([seen.program, seen.argv], [program, argv])
      }
    })
  )

  it.effect(
    "runs task-exec with its arguments, on a read-only root file system, without capabilities and a shell",
    () =>
      Effect.gen(function* () {
        const { manager } = yield* SwarmCluster
        const argv = ["x1y2", "sh", "-c", 'echo "$HOME"', "", "--version", "ünï"]
        const { code, stdout, stderr } = yield* run(manager, { Image: "task-exec:test", Cmd: ["task-exec", ...argv] })
        assert.strictEqual(stderr, "to stderr\n")
        assert.deepStrictEqual(yield* Schema.decodeEffect(Seen)(stdout), {
          program: "task-exec",
          argv,
          environment: "production",
          uid: 0,
          capabilities: "0000000000000000",
          noNewPrivileges: "1",
          write: "EROFS",
          shell: "ENOENT"
        })
        assert.strictEqual(code, 7)
      })
  )

  it.effect("runs helpers from its compile cache", () =>
    Effect.gen(function* () {
      const { manager } = yield* SwarmCluster
      const Env = ["NODE_DEBUG=task-exec"]
      const { stderr } = yield* run(manager, { Image: "task-exec:test", Cmd: ["kill"], Env })
      assert.match(stderr, /the compiled program is accepted/)
    })
  )

  it.effect("is not rebuilt without a change", () =>
    Effect.gen(function* () {
      const { manager } = yield* SwarmCluster
      const before = yield* inspect(manager, "task-exec:test")
      const again = yield* build(probe, { ref: "task-exec:again", base: "scratch" })
      const base = yield* inspect(manager, again.base)
      const other = yield* build(probe, { ref: "task-exec:other", base: "scratch" })
      assert.strictEqual(again.id, before.Id)
      assert.strictEqual(other.id, before.Id)
      assert.strictEqual((yield* inspect(manager, other.base)).Id, base.Id)
    })
  )

  it.effect("only its last layers change with the program", () =>
    Effect.gen(function* () {
      const { manager } = yield* SwarmCluster
      const before = yield* inspect(manager, "task-exec:test")
      yield* build(`${probe}// changed`, { ref: "task-exec:changed", base: "scratch" })
      const after = yield* inspect(manager, "task-exec:changed")
      const shared = after.RootFS.Layers.filter((digest, index) => before.RootFS.Layers[index] === digest)
      assert.notStrictEqual(after.Id, before.Id)
      assert.strictEqual(shared.length, after.RootFS.Layers.length - 2)
    })
  )

  it.effect("uses the base image of TASK_EXEC_BASE, unless an option names another", () =>
    Effect.gen(function* () {
      const { base } = yield* build(probe, { ref: "task-exec:test", base: "scratch" })
      const variables = ConfigProvider.fromEnvRecord({ TASK_EXEC_BASE: base })
      const image = yield* build(probe, { ref: "task-exec:env" }).pipe(
        Effect.provideService(ConfigProvider.ConfigProvider, variables)
      )
      assert.strictEqual(image.base, base)
    })
  )

  it.effect("is pushed, and runs on another node by its digest", () =>
    Effect.gen(function* () {
      const { registry, nodes } = yield* SwarmCluster
      const worker = nodes.find(({ role }) => role === "worker")
      assert.isDefined(worker)
      const ref = `${registry}/task-exec:test`
      const { pinned = "", id } = yield* build(probe, { ref, base: "scratch", push: true })
      assert.match(pinned, new RegExp(`^${registry}/task-exec@sha256:[0-9a-f]{64}$`))
      yield* pullImage(worker.socket, ref)
      assert.strictEqual((yield* inspect(worker, pinned)).Id, id)
      const { code, stdout } = yield* run(worker, { Image: pinned, Cmd: ["there"] })
      assert.deepStrictEqual((yield* Schema.decodeEffect(Seen)(stdout)).argv, ["there"])
      assert.strictEqual(code, 7)
    })
  )

  it.effect(
    "has an index in the registry for several platforms, and an engine pulls its own or the requested one",
    () =>
      Effect.gen(function* () {
        const { dir, nodes, registry } = yield* SwarmCluster
        const worker = nodes.find(({ role }) => role === "worker")
        assert.isDefined(worker)
        const closed = yield* privateRegistry(dir, registry, 5002)
        const made = yield* makeOciImage(["linux/arm64", "linux/amd64"])
        const ref = `${registry}/platforms:1`
        const digest = yield* pushImage(made, yield* Effect.fromResult(parseImageRef(ref)), true)

        const headers = { accept: "application/vnd.oci.image.index.v1+json" }
        const answer = yield* Effect.promise(() => fetch(`http://${registry}/v2/platforms/manifests/1`, { headers }))
        assert.strictEqual(answer.headers.get("docker-content-digest"), digest)
        const index = yield* Schema.decodeUnknownEffect(Index)(yield* Effect.promise(() => answer.json()))
        assert.deepStrictEqual(
          index.manifests.map(({ platform }) => platform),
          [
            { os: "linux", architecture: "arm64" },
            { os: "linux", architecture: "amd64" }
          ]
        )

        yield* pullImage(worker.socket, ref)
        const { Version } = yield* get(worker.socket, "/version", Schema.Struct({ Version: Schema.String }))
        const told = yield* run(worker, { Image: ref, Cmd: ["version"], Env: ["NODE_DEBUG=task-exec"] })
        assert.deepStrictEqual(
          [told.code, told.stdout],
          [0, `task-exec ${version}\n`],
          `engine ${Version}: ${told.stderr}`
        )
        const { stderr } = yield* run(worker, { Image: ref, Cmd: ["kill"], Env: ["NODE_DEBUG=task-exec"] })
        assert.match(stderr, /the compiled program is accepted/)

        /** The processor architecture of the image's Node. */
        const processor = Effect.gen(function* () {
          const { Id } = yield* Effect.acquireRelease(
            post(worker.socket, "/containers/create", Created, { body: { Image: ref } }),
            ({ Id }) => Effect.orDie(remove(worker.socket, `/containers/${Id}?force=1`))
          )
          const query = { path: "/usr/local/bin/node" }
          const archive = yield* request(worker.socket, "GET", `/containers/${Id}/archive`, { query, timeout: 60_000 })
          return (yield* Effect.fromResult(parseElf(archive.subarray(512)))).machine
        }).pipe(Effect.scoped)
        assert.strictEqual(yield* processor, 62)
        const query = { fromImage: `${registry}/platforms`, tag: "1", platform: "linux/arm64" }
        yield* request(worker.socket, "POST", "/images/create", { query, timeout: 120_000 })
        assert.strictEqual(yield* processor, 183)

        // A registry with a password, with and without a login.
        const there = yield* Effect.fromResult(parseImageRef(`${closed}/platforms:1`))
        const folder = yield* Effect.acquireRelease(
          Effect.promise(() => mkdtemp(join(tmpdir(), "task-exec-login-"))),
          (path) => Effect.promise(() => rm(path, { recursive: true }))
        )
        const variables = ConfigProvider.fromEnvRecord({ DOCKER_CONFIG: folder })
        const push = pushImage(made, there, true).pipe(Effect.provideService(ConfigProvider.ConfigProvider, variables))
        const refused = yield* Effect.flip(push)
        assert.match(refused.message, /^cannot push [\d.:]+\/platforms:1: HEAD .*: 401 Unauthorized/)
        const auth = Buffer.from(`${registryUser.username}:${registryUser.password}`).toString("base64")
        yield* Effect.promise(() =>
          writeFile(join(folder, "config.json"), JSON.stringify({ auths: { [closed]: { auth } } }))
        )
        assert.strictEqual(yield* push, digest)
      }).pipe(Effect.provide(Logger.layer([])), Effect.scoped)
  )

  it.effect("is not built from a program that the base image cannot run; the error quotes the program", () =>
    Effect.gen(function* () {
      const program = 'console.error("this Node is\\ntoo old"); process.exitCode = 3'
      const error = yield* Effect.flip(build(program, { ref: "task-exec:broken", base: "scratch" }))
      assert.match(error.message, /cannot build task-exec:broken: .*returned a non-zero code: 3; this Node is too old$/)
    })
  )

  it.effect("fails with errors that name the base image, the registry and the engine", () =>
    Effect.gen(function* () {
      const { registry } = yield* SwarmCluster
      const noBase = yield* Effect.flip(build(probe, { ref: "task-exec:x", base: `${registry}/nobody/nothing:1` }))
      assert.match(noBase.message, /cannot pull [\d.:]+\/nobody\/nothing:1 .*: /)
      const nowhere = { ref: "127.0.0.1:1/task-exec:x", base: "scratch", push: true }
      const noRegistry = yield* Effect.flip(build(probe, nowhere))
      assert.match(noRegistry.message, /cannot push 127\.0\.0\.1:1\/task-exec:x: .*connection refused/)
      const bundle = import.meta.filename
      const gone: Endpoint = { _tag: "Unix", path: "/nonexistent/docker.sock" }
      const noEngine = yield* Effect.flip(buildImage({ endpoint: gone, ref: "task-exec:x", base: "scratch", bundle }))
      assert.match(noEngine.message, /\/nonexistent\/docker\.sock does not exist/)
    })
  )

  it.effect("is not built without its program", () =>
    Effect.gen(function* () {
      const { manager } = yield* SwarmCluster
      const options = { endpoint: endpoint(manager), ref: "task-exec:x", bundle: "/nonexistent.cjs" }
      const error = yield* Effect.flip(buildImage(options))
      assert.strictEqual(error.message, 'cannot find /nonexistent.cjs: run "npm run build" first')
    })
  )
})
