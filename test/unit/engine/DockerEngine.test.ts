import * as Http from "node:http"
import type * as Net from "node:net"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { EngineError, EngineUnreachable } from "../../../src/engine/EngineErrors.ts"
import { Swarm } from "../../../src/engine/Swarm.ts"
import { answering, engineAt, engineOf, folder, listening, managerOf, portOf } from "./Servers.ts"

describe("connections", () => {
  it.live("an explicit address overrides an invalid DOCKER_HOST", () =>
    Effect.gen(function* () {
      const before = process.env.DOCKER_HOST
      yield* Effect.acquireRelease(
        Effect.sync(() => {
          process.env.DOCKER_HOST = "tcp://:99999"
        }),
        () =>
          Effect.sync(() => {
            if (before === undefined) delete process.env.DOCKER_HOST
            else process.env.DOCKER_HOST = before
          })
      )
      const engine = yield* engineOf(answering(200, '{"Version":"1","ApiVersion":"1.41"}'))
      assert.strictEqual((yield* engine.version).ApiVersion, "1.41")
      assert.strictEqual(process.env.DOCKER_HOST, "tcp://:99999")
    })
  )

  /** Serves one request per connection, then breaks the connection at the next one, as after a restart of the engine. */
  const forgetful = () => {
    const seen: Array<string> = []
    const served = new WeakSet<Net.Socket>()
    const server = Http.createServer((request, response) => {
      seen.push(`${request.method} ${request.url} ${request.headers.host}`)
      if (served.has(request.socket)) return request.socket.destroy()
      served.add(request.socket)
      return response.end('{"Version":"1","ApiVersion":"1.41","Id":"x"}')
    })
    return { server, seen }
  }

  it.live("are reused over the network, and a read is repeated if one has died", () =>
    Effect.gen(function* () {
      const { server, seen } = forgetful()
      const port = portOf(yield* listening(server, { host: "127.0.0.1", port: 0 }))
      const engine = yield* engineAt({ _tag: "Tcp", host: "127.0.0.1", port, basePath: "/base" })
      yield* engine.version
      yield* engine.version
      assert.deepStrictEqual(seen, Array(3).fill(`GET /base/version 127.0.0.1:${port}`))
    })
  )

  it.live("a request that changes something is not sent twice", () =>
    Effect.gen(function* () {
      const { server, seen } = forgetful()
      const port = portOf(yield* listening(server, { host: "127.0.0.1", port: 0 }))
      const engine = yield* engineAt({ _tag: "Tcp", host: "127.0.0.1", port, basePath: "" })
      yield* engine.version
      const error = yield* Effect.flip(engine.createContainer({ config: { Image: "i" } }))
      assert.strictEqual(error._tag === "EngineUnreachable" && error.reason, "Lost")
      assert.strictEqual(seen.length, 2)
    })
  )

  it.live("requests", () =>
    Effect.gen(function* () {
      const seen: Array<unknown> = []
      const server = Http.createServer(async (request, response) => {
        let body = ""
        for await (const chunk of request) body += chunk
        const { "content-type": type, "content-length": length, "x-registry-auth": auth } = request.headers
        seen.push([request.method, request.url, body, type, length, auth])
        response.end('{"ID":"i","Id":"i","Warnings":["w"]}')
      })
      const { engine, swarm } = yield* managerOf(server, {
        credentials: (image) => Effect.succeed(image.startsWith("private/") ? `for ${image}` : undefined)
      })
      yield* engine.killContainer("a/b", "TERM")
      yield* engine.resizeExec("e", { w: 80, h: 25 })
      yield* Effect.flip(swarm.listTasks({ service: ["a&b"], "desired-state": ["running", "shutdown"] }))
      const spec = { Name: "n", TaskTemplate: { ContainerSpec: { Image: "i" } } }
      const ours = { Name: "n", TaskTemplate: { ContainerSpec: { Image: "private/i" } } }
      assert.deepStrictEqual(yield* swarm.createService(ours), { id: "i", warnings: ["w"] })
      yield* swarm.createService(spec)
      yield* Stream.runDrain(engine.pullImage("private/i@sha256:1"))
      yield* Stream.runDrain(engine.pullImage("i"))
      yield* engine.createContainer({ config: { Image: "i" } })
      yield* swarm.createSecret({ name: "s", labels: { l: "1" }, data: Buffer.from([0, 255]) })
      yield* engine.inspectImage("registry:5000/a/b:1").pipe(Effect.flip, Effect.ignore)
      const json = "application/json"
      const body = JSON.stringify(spec)
      assert.deepStrictEqual(seen, [
        ["POST", "/containers/a%2Fb/kill?signal=TERM", "", undefined, "0", undefined],
        ["POST", "/exec/e/resize?h=25&w=80", "", undefined, "0", undefined],
        [
          "GET",
          `/tasks?filters=${encodeURIComponent('{"service":["a&b"],"desired-state":["running","shutdown"]}')}`,
          "",
          undefined,
          undefined,
          undefined
        ],
        ["POST", "/services/create", JSON.stringify(ours), json, String(body.length + 8), "for private/i"],
        ["POST", "/services/create", body, json, String(body.length), undefined],
        ["POST", "/images/create?fromImage=private%2Fi%40sha256%3A1", "", undefined, "0", "for private/i@sha256:1"],
        ["POST", "/images/create?fromImage=i%3Alatest", "", undefined, "0", undefined],
        ["POST", "/containers/create", '{"Image":"i"}', json, "13", undefined],
        ["POST", "/secrets/create", '{"Name":"s","Labels":{"l":"1"},"Data":"AP8="}', json, "45", undefined],
        ["GET", "/images/registry%3A5000/a/b%3A1/json", "", undefined, undefined, undefined]
      ])
    })
  )
})

describe("several managers", () => {
  it.live("a request about a container goes only to the engine that answered last", () =>
    Effect.gen(function* () {
      const asked: Array<string> = []
      const manager = Effect.fnUntraced(function* (name: string) {
        const path = join(yield* folder, "docker.sock")
        const server = Http.createServer(({ url }, response) => {
          asked.push(`${name} ${url?.replace(/\?.*/, "")}`)
          if (url?.startsWith("/nodes") === true) response.end("[]")
          else response.writeHead(404).end('{"message":"no such container"}')
        })
        const scope = yield* Scope.make()
        yield* Effect.addFinalizer(() => Scope.close(scope, Exit.void))
        yield* Scope.provide(listening(server, { path }), scope)
        return { endpoint: { _tag: "Unix" as const, path }, stop: Scope.close(scope, Exit.void) }
      })
      const [first, second] = [yield* manager("first"), yield* manager("second")]
      const context = yield* Layer.build(Swarm.layerForAny([first.endpoint, second.endpoint]))
      const swarm = yield* Effect.provideContext(Swarm, context)
      yield* swarm.listNodes()
      const engine = yield* swarm.engine
      assert.strictEqual(yield* swarm.engine, engine)
      yield* first.stop
      assert.instanceOf(yield* Effect.flip(engine.inspectContainer("x")), EngineUnreachable)
      yield* swarm.listNodes()
      assert.notStrictEqual(yield* swarm.engine, engine)
      assert.instanceOf(yield* Effect.flip((yield* swarm.engine).inspectContainer("x")), EngineError)
      assert.deepStrictEqual(asked, ["first /nodes", "second /nodes", "second /containers/x/json"])
    })
  )
})
