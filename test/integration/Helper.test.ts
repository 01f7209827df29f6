import { join } from "node:path"
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { EngineError, type SwarmFailure } from "../../src/engine/EngineErrors.ts"
import { CurrentInventory, Inventory } from "../../src/engine/Inventory.ts"
import { Swarm } from "../../src/engine/Swarm.ts"
import { hostNetwork, openTemporaryService } from "../../src/helper/TemporaryService.ts"
import { makeOwnership } from "../../src/Labels.ts"
import { run } from "../cluster/Command.ts"
import { get, post, remove, request } from "../cluster/EngineApi.ts"
import { eventsSince } from "../cluster/Events.ts"
import { execIn, service, waitRunning } from "../cluster/Services.ts"
import { SwarmCluster } from "../cluster/SwarmCluster.ts"
import { checkLeftoversMeanwhile, taskExec, Web } from "./Harness.ts"

checkLeftoversMeanwhile()

const Created = Schema.Struct({ Id: Schema.String })
const Waited = Schema.Struct({ StatusCode: Schema.Int })
const Services = Schema.Array(Schema.Unknown)
const Containers = Schema.Array(Schema.Struct({ Id: Schema.String }))
const Container = Schema.Struct({
  Path: Schema.String,
  Args: Schema.Array(Schema.String),
  Config: Schema.Struct({ Env: Schema.Array(Schema.String) }),
  HostConfig: Schema.Struct({
    CapAdd: Schema.NullOr(Schema.Array(Schema.String)),
    CapDrop: Schema.NullOr(Schema.Array(Schema.String)),
    Privileged: Schema.Boolean,
    ReadonlyRootfs: Schema.Boolean,
    PortBindings: Schema.NullOr(Schema.Record(Schema.String, Schema.Unknown)),
    LogConfig: Schema.Struct({ Type: Schema.String })
  }),
  Mounts: Schema.Array(Schema.Struct({ Destination: Schema.String }))
})

layer(Web.layer("helper"), { excludeTestServices: true, timeout: "180 seconds" })("the helper", (it) => {
  it.effect("has minimal privileges, and its service shows nothing of the request", () =>
    Effect.gen(function* () {
      const web = yield* Web
      const { manager } = yield* SwarmCluster
      const node = web.nodeOf(web.remote)
      const up = yield* Latch.make()
      const waits = "until rm /tmp/go 2>/dev/null; do sleep 0.1; done"
      const look = Effect.gen(function* () {
        const query = { filters: JSON.stringify({ label: { "task-exec.role=helper": true } }) }
        const services = yield* get(manager.socket, "/services", Services, { query })
        const [found] = yield* get(node.socket, "/containers/json", Containers, { query })
        const container = yield* get(node.socket, `/containers/${found?.Id}/json`, Container)
        yield* execIn(node.socket, web.remote.containerId, ["touch", "/tmp/go"])
        return { services, container }
      })
      const [result, { container, services }] = yield* Effect.all(
        [
          taskExec(
            ["-e", "PASSWORD=s3cret-value", web.target(web.remote), "sh", "-c", `echo up; ${waits}; : s3cret-word`],
            {
              onOutput: (output) => output === "up\n" && Latch.openUnsafe(up)
            }
          ),
          up.await.pipe(Effect.andThen(look))
        ],
        { concurrency: 2 }
      )
      assert.strictEqual(result.code, 0)
      assert.strictEqual(services.length, 1)
      for (const document of [services, container]) assert.notInclude(JSON.stringify(document), "s3cret")
      const { HostConfig, Mounts } = container
      assert.deepStrictEqual([HostConfig.CapAdd ?? [], HostConfig.CapDrop], [[], ["ALL"]])
      assert.deepStrictEqual([HostConfig.Privileged, HostConfig.ReadonlyRootfs], [false, true])
      assert.deepStrictEqual(HostConfig.PortBindings ?? {}, {})
      assert.strictEqual(HostConfig.LogConfig.Type, "json-file")
      const places = Mounts.map(({ Destination }) => Destination).filter((place) => !place.startsWith("/run/secrets"))
      assert.deepStrictEqual(places, ["/var/run/docker.sock"])
    })
  )

  it.effect("docker run IMAGE task-exec uses its own image for helpers, from the registry that IMAGE names", () =>
    Effect.gen(function* () {
      const web = yield* Web
      const { manager, push, registry } = yield* SwarmCluster
      const { socket } = web.nodeOf(web.remote)
      // The engine also knows the image by another repository, whose digest it lists first.
      const other = `${registry}/another/name`
      yield* Effect.acquireRelease(
        Effect.andThen(
          request(manager.socket, "POST", `/images/${process.env.TASK_EXEC_IMAGE}/tag`, {
            query: { repo: other, tag: "1" }
          }),
          push(manager, `${other}:1`)
        ),
        () => Effect.orDie(remove(manager.socket, `/images/${other}:1`))
      )
      const since = Date.now()
      const { Id } = yield* Effect.acquireRelease(
        post(manager.socket, "/containers/create", Created, {
          body: {
            Image: process.env.TASK_EXEC_IMAGE,
            Cmd: ["task-exec", web.remote.id, "sh", "-c", "hostname; exit 5"],
            HostConfig: { Binds: ["/var/run/docker.sock:/var/run/docker.sock"] }
          }
        }),
        (container) => Effect.orDie(remove(manager.socket, `/containers/${container.Id}?force=true`))
      )
      yield* request(manager.socket, "POST", `/containers/${Id}/start`)
      const { StatusCode } = yield* post(manager.socket, `/containers/${Id}/wait`, Waited)
      const log = yield* request(manager.socket, "GET", `/containers/${Id}/logs`, {
        query: { stdout: "1", stderr: "1" }
      })
      assert.deepStrictEqual([StatusCode, log.subarray(8).toString()], [5, `${web.remote.containerId.slice(0, 12)}\n`])
      const created = yield* eventsSince(socket, since, { type: { container: true }, event: { create: true } })
      const helpers = created.filter(({ Actor }) => Actor.Attributes["task-exec.role"] === "helper")
      assert.deepStrictEqual(
        helpers.map(({ Actor }) => Actor.Attributes.image?.split("@")[0]),
        [`${registry}/task-exec`]
      )
    }).pipe(Effect.scoped)
  )

  it.effect("kills a command in a container without a shell or tools", () =>
    Effect.gen(function* () {
      const cluster = yield* SwarmCluster
      const { manager, nodes, registry } = cluster
      const bare = `${registry}/bare:1`
      // The image has only busybox, named as one applet, so it can do nothing else.
      const tar = join(cluster.dir, "bare.tar")
      yield* run("tar", ["--create", `--file=${tar}`, "--directory=/bin", "--transform=s/busybox/sleep/", "busybox"])
      yield* cluster.importImage(bare, tar)
      yield* cluster.push(manager, bare)
      const worker = nodes.find(({ role }) => role === "worker")
      for (const node of [manager, worker]) {
        const name = `bare-${node?.name}`
        yield* service(manager.socket, { name, image: bare, command: ["/sleep", "100000"], node: node?.name ?? "" })
        yield* waitRunning(manager.socket, name, 1)
        assert.strictEqual((yield* taskExec([name, "/sleep", "0.1"])).code, 0)
        const late = yield* taskExec(["--timeout", "1", "--grace", "1", name, "/sleep", "4321"])
        assert.deepStrictEqual(
          [late.code, late.stderr],
          [124, "task-exec: timed out after 1 s; the command and all its child processes were killed\n"]
        )
        assert.strictEqual((yield* taskExec([name, "sh", "-c", "true"])).code, 126)
      }
    }).pipe(Effect.scoped)
  )

  it.effect("removes a service that Swarm creates after its removal has found none", () =>
    Effect.gen(function* () {
      const { image, manager } = yield* SwarmCluster
      const inventory = new Inventory()
      const late = Layer.effect(
        Swarm,
        Effect.map(Swarm, (swarm) => {
          let creation: Effect.Effect<unknown, SwarmFailure> = Effect.void
          return Swarm.of({
            ...swarm,
            createService: (spec) => {
              creation = swarm.createService(spec)
              return Effect.fail(
                new EngineError({
                  host: swarm.host,
                  operation: "create",
                  status: 500,
                  text: "the connection is closing"
                })
              )
            },
            removeService: (name) => {
              const pending = creation
              creation = Effect.void
              return Effect.ensuring(swarm.removeService(name), Effect.orDie(pending))
            }
          })
        })
      ).pipe(Layer.provide(Swarm.layerFor({ _tag: "Unix", path: manager.socket })))
      const opened = openTemporaryService({
        owner: yield* makeOwnership(60_000),
        role: "helper",
        image,
        command: "help",
        request: "{}",
        mode: "single",
        constraints: ["node.hostname==none"],
        stopGrace: 1000,
        network: hostNetwork,
        restarts: "never"
      })
      const error = yield* opened.pipe(
        Effect.scoped,
        Effect.flip,
        Effect.provide(late),
        Effect.provideService(CurrentInventory, inventory)
      )
      assert.match(error.message, /the connection is closing/)
      assert.deepStrictEqual([[...inventory.objects], inventory.complaint()], [[], undefined])
    })
  )
})
