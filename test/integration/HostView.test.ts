/** The image of our containers that see the processes of a whole host. */
import { assert, layer } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { DockerEngine } from "../../src/engine/DockerEngine.ts"
import { findImage, hostPidContainer } from "../../src/executor/HostView.ts"
import { get, post, remove, request } from "../cluster/EngineApi.ts"
import { eventsSince } from "../cluster/Events.ts"
import { deriveImage, pullImage } from "../cluster/Images.ts"
import { pollUntil } from "../cluster/Poll.ts"
import { SwarmCluster } from "../cluster/SwarmCluster.ts"
import { checkLeftovers, taskExec, Web } from "./Harness.ts"

checkLeftovers()

const Image = Schema.Struct({ Id: Schema.String, RepoDigests: Schema.Array(Schema.String) })

const Created = Schema.Struct({ Id: Schema.String })
const Sandbox = Schema.Struct({ NetworkSettings: Schema.Struct({ SandboxKey: Schema.String }) })

/** An image with our label and a newer version than ours. */
const impostor = Effect.fnUntraced(function* (socket: string, ref: string) {
  const { image } = yield* SwarmCluster
  yield* Effect.acquireRelease(
    deriveImage(socket, image, ref, ["LABEL org.opencontainers.image.title=task-exec", 'ENTRYPOINT ["sleep", "3"]']),
    () => Effect.orDie(remove(socket, `/images/${ref}?force=true`))
  )
})

const engineAt = (path: string) =>
  Effect.map(Layer.build(DockerEngine.layerFor({ _tag: "Unix", path })), (context) =>
    Context.get(context, DockerEngine)
  )

const named = process.env.TASK_EXEC_IMAGE ?? ""
const noDigest = `sha256:${"0".repeat(64)}`

layer(Web.layer("host-view"), { excludeTestServices: true, timeout: "180 seconds" })("the image of a killer", (it) => {
  it.effect("is the named one, and no other image with the label", () =>
    Effect.gen(function* () {
      const { manager, registry } = yield* SwarmCluster
      const { socket } = manager
      yield* impostor(socket, "impostor:1")
      yield* pullImage(socket, named)
      const { Id, RepoDigests } = yield* get(socket, `/images/${named}/json`, Image)
      const digest = RepoDigests.map((text) => text.split("@")[1]).find((text) => text !== undefined) ?? ""

      const engine = yield* engineAt(socket)
      const found = Effect.fnUntraced(function* (reference: string) {
        const image = yield* findImage(engine, reference)
        return image === undefined ? undefined : (yield* engine.inspectImage(image)).Id
      })
      const repository = `${registry}/task-exec`
      for (const reference of [
        `${repository}@${noDigest}`,
        `${repository}:dev@${noDigest}`,
        `${repository}:none`,
        noDigest
      ]) {
        assert.strictEqual(yield* found(reference), undefined, reference)
      }
      // From another registry with the same path: the digest proves that it is the same image.
      const same = [
        named,
        Id,
        `${repository}@${digest}`,
        `${repository}:any@${digest}`,
        `mirror.invalid/task-exec@${digest}`
      ]
      for (const reference of same) assert.strictEqual(yield* found(reference), Id, reference)
      assert.strictEqual(yield* found(`${registry}/something-else@${digest}`), undefined)
    }).pipe(Effect.scoped)
  )

  it.effect("is found by its digest on a node without its name", () =>
    Effect.gen(function* () {
      const { registry } = yield* SwarmCluster
      const web = yield* Web
      const { socket } = web.nodeOf(web.remote)
      yield* pullImage(socket, named)
      const { Id, RepoDigests } = yield* get(socket, `/images/${named}/json`, Image)
      // Earlier tests on this node may have pulled the image from another repository, too.
      const byDigest = RepoDigests.find((text) => text.startsWith(`${registry}/task-exec@`)) ?? ""
      yield* Effect.acquireRelease(
        Effect.andThen(remove(socket, `/images/${named}?force=true`), pullImage(socket, byDigest)),
        () => Effect.orDie(pullImage(socket, named))
      )
      const engine = yield* engineAt(socket)
      const digest = byDigest.split("@")[1] ?? ""
      for (const reference of [byDigest, `${registry}/task-exec:dev@${digest}`]) {
        const image = yield* findImage(engine, reference)
        assert.strictEqual(image === undefined ? undefined : (yield* engine.inspectImage(image)).Id, Id, reference)
      }
      // By a killer on that node, which its helper creates from its own image.
      const { code, stderr } = yield* taskExec(
        ["--timeout", "1s", "--grace", "1s", web.target(web.remote), "sleep", "60"],
        {
          env: { TASK_EXEC_IMAGE: byDigest }
        }
      )
      assert.deepStrictEqual(
        [code, stderr],
        [124, "task-exec: timed out after 1 s; the command and all its child processes were killed\n"]
      )
    }).pipe(Effect.scoped)
  )

  it.effect("may be missing: a command then runs without a guard, and no other image with the label is used", () =>
    Effect.gen(function* () {
      const { manager, registry } = yield* SwarmCluster
      const web = yield* Web
      yield* impostor(manager.socket, "impostor:2")
      const since = Date.now()
      const { code, stderr, stdout } = yield* taskExec([web.target(web.local), "echo", "out"], {
        env: { TASK_EXEC_IMAGE: `${registry}/task-exec@${noDigest}` }
      })
      assert.deepStrictEqual([code, stdout.toString()], [0, "out\n"], stderr)
      assert.match(stderr, /^task-exec: cannot start a guard: .* does not have the image .*\n$/)
      const made = yield* eventsSince(manager.socket, since, { type: { container: true }, event: { create: true } })
      assert.deepStrictEqual(
        made.map(({ Actor }) => Actor.Attributes.image),
        []
      )
    }).pipe(Effect.scoped)
  )

  it.effect("has no network but its own loopback interface, for which the engine starts no process", () =>
    Effect.gen(function* () {
      const { image, manager } = yield* SwarmCluster
      const { socket } = manager
      const body = hostPidContainer(image, ["sh", "-c", "cat /proc/net/dev; readlink /proc/self/ns/net; read end"], {})
      const { Id } = yield* Effect.acquireRelease(
        post(socket, "/containers/create", Created, { body: { ...body, Tty: true, OpenStdin: true } }),
        ({ Id }) => Effect.orDie(remove(socket, `/containers/${Id}?force=true`))
      )
      yield* request(socket, "POST", `/containers/${Id}/start`)
      const { NetworkSettings } = yield* get(socket, `/containers/${Id}/json`, Sandbox)
      assert.strictEqual(NetworkSettings.SandboxKey, "")
      const shown = Effect.map(request(socket, "GET", `/containers/${Id}/logs`, { query: { stdout: "1" } }), String)
      yield* pollUntil(
        Effect.map(shown, (text) => text.includes("net:[")),
        { every: 100, atMost: 120_000, orElse: Effect.flatMap(shown, Effect.die) }
      )
      const [, ...lines] = (yield* shown).trimEnd().split(/\r?\n/)
      const namespace = lines.pop()
      assert.match(lines.slice(1).join("\n"), /^ *lo:[ 0]*$/)
      assert.notStrictEqual(namespace, (yield* manager.exec(["readlink", "/proc/self/ns/net"])).trim())
    }).pipe(Effect.scoped)
  )
})
