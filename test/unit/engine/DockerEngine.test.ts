// Faults that a real engine does not have on demand: incomplete responses, false responses, silence. test/integration/Engine.test.ts covers
// the behavior of real engines.
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import * as Http from "node:http"
import * as Net from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import { DockerEngine, type DockerEngineOptions } from "../../../src/engine/DockerEngine.ts"
import type { Endpoint } from "../../../src/engine/Endpoint.ts"
import { EngineError, EngineUnreachable, NotSwarmManager, UnexpectedReply } from "../../../src/engine/EngineErrors.ts"
import { Swarm, type SwarmOptions } from "../../../src/engine/Swarm.ts"

const folder = Effect.acquireRelease(
  Effect.promise(() => mkdtemp(join(tmpdir(), "engine-"))),
  (path) => Effect.promise(() => rm(path, { recursive: true }))
)

/** A server. It and its connections end with the scope. */
const listening = <S extends Net.Server>(server: S, at: Net.ListenOptions) =>
  Effect.suspend(() => {
    const open = new Set<Net.Socket>()
    server.on("connection", (socket) => {
      open.add(socket)
      socket.on("close", () => open.delete(socket)).on("error", () => {})
    })
    return Effect.acquireRelease(
      Effect.callback<S>((resume) => {
        server.listen(at, () => resume(Effect.succeed(server)))
      }),
      () =>
        Effect.callback<void>((resume) => {
          server.close(() => resume(Effect.void))
          for (const socket of open) socket.destroy()
        })
    )
  })

const portOf = (server: Net.Server) => {
  const address = server.address()
  assert.isObject(address)
  return address === null || typeof address === "string" ? 0 : address.port
}

/** An engine that is a local server on a socket file. */
const engineOf = Effect.fnUntraced(function* (server: Net.Server, options?: DockerEngineOptions) {
  const path = join(yield* folder, "docker.sock")
  yield* listening(server, { path })
  return yield* engineAt({ _tag: "Unix", path }, options)
})

/** A swarm whose manager is a local server, and that manager as an engine. */
const managerOf = Effect.fnUntraced(function* (server: Net.Server, options: SwarmOptions = {}) {
  const path = join(yield* folder, "docker.sock")
  yield* listening(server, { path })
  const context = yield* Layer.build(Swarm.layerFor({ _tag: "Unix", path }, options))
  const swarm = Context.get(context, Swarm)
  return { swarm, engine: yield* swarm.engine }
})

/** Lives until the end of the test, because the layer's connections end with it. */
const engineAt = (endpoint: Endpoint, options?: DockerEngineOptions) =>
  Effect.map(Layer.build(DockerEngine.layerFor(endpoint, options)), (context) => Context.get(context, DockerEngine))

const answering = (status: number, body: string, headers: Http.OutgoingHttpHeaders = {}) =>
  Http.createServer((_, response) => response.writeHead(status, headers).end(body))

/** Accepts connections and sends nothing. Returns the open connections. */
const silent = () => {
  const open = new Set<Net.Socket>()
  const server = Net.createServer((socket) => {
    open.add(socket.on("close", () => open.delete(socket)).on("error", () => {}))
    socket.resume()
  })
  return { server, open }
}

const until = (condition: () => boolean) =>
  Effect.promise(async () => {
    for (let i = 0; i < 500 && !condition(); i++) await new Promise((resolve) => setTimeout(resolve, 2))
    assert.isTrue(condition())
  })

describe("an engine that does not respond", () => {
  it.live("is reported with its socket, if that does not exist", () =>
    Effect.gen(function* () {
      const engine = yield* engineAt({ _tag: "Unix", path: join(yield* folder, "none.sock") })
      const error = yield* Effect.flip(engine.info)
      assert.instanceOf(error, EngineUnreachable)
      assert.strictEqual(error.reason, "NoSocket")
      assert.include(error.message, "none.sock does not exist")
    })
  )

  it.live("is reported as refusing, if its socket is a plain file", () =>
    Effect.gen(function* () {
      const path = join(yield* folder, "file")
      yield* Effect.promise(() => writeFile(path, ""))
      const error = yield* Effect.flip((yield* engineAt({ _tag: "Unix", path })).info)
      assert.strictEqual(error._tag === "EngineUnreachable" && error.reason, "Refused")
    })
  )

  it.live("is reported as refusing, if nothing listens on its port", () =>
    Effect.gen(function* () {
      const server = Net.createServer()
      const port = yield* Effect.scoped(Effect.map(listening(server, { host: "127.0.0.1", port: 0 }), portOf))
      const engine = yield* engineAt({ _tag: "Tcp", host: "127.0.0.1", port, basePath: "" })
      const error = yield* Effect.flip(engine.info)
      assert.strictEqual(error._tag === "EngineUnreachable" && error.reason, "Refused")
      assert.include(error.message, `tcp://127.0.0.1:${port}`)
    })
  )

  it.effect("ends requests at their timeouts, which are longer for requests about the swarm", () =>
    Effect.gen(function* () {
      const { server, open } = silent()
      const { engine, swarm } = yield* managerOf(server, { engineTimeout: "10 seconds", swarmTimeout: "14 seconds" })
      const own = yield* Effect.forkChild(Effect.flip(engine.info))
      const ofSwarm = yield* Effect.forkChild(Effect.flip(swarm.listTasks({})))
      yield* until(() => open.size === 2)
      yield* TestClock.adjust("10 seconds")
      const error = yield* Fiber.join(own)
      assert.strictEqual(error._tag === "EngineUnreachable" && error.reason, "Timeout")
      assert.include(error.message, "no response within 10s")
      yield* TestClock.adjust("4 seconds")
      assert.include((yield* Fiber.join(ofSwarm)).message, "no response within 14s")
    })
  )

  it.effect("fails all requests after 15 seconds of silence, and later ones at once, until it answers a ping", () =>
    Effect.gen(function* () {
      const { server, open } = silent()
      const { engine, swarm } = yield* managerOf(server)
      const requests = [
        Effect.asVoid(engine.info),
        Effect.asVoid(swarm.listTasks({})),
        Effect.asVoid(engine.waitContainer("c"))
      ]
      const asked = yield* Effect.forEach(requests, (request) => Effect.forkChild(Effect.flip(request)))
      yield* until(() => open.size === 3)
      yield* TestClock.adjust("14 seconds")
      assert.isTrue(asked.every((fiber) => fiber.pollUnsafe() === undefined))
      yield* TestClock.adjust("1 second")
      for (const fiber of asked) {
        const error = yield* Fiber.join(fiber)
        assert.strictEqual(error._tag === "EngineUnreachable" && error.reason, "Timeout")
        assert.match(error.message, /no response for 15 s\. Check/)
      }
      const next = yield* Effect.flip(swarm.removeService("s"))
      assert.strictEqual(next._tag === "EngineUnreachable" && next.reason, "Silent")
      assert.match(next.message, /no response for 15 s\. Check/)
      yield* TestClock.adjust("6 seconds")
      // The engine gets a ping, and remains silent.
      const probed = yield* Effect.forkChild(Effect.flip(engine.info))
      yield* TestClock.adjust("3 seconds")
      const still = yield* Fiber.join(probed)
      assert.strictEqual(still._tag === "EngineUnreachable" && still.reason, "Silent")
      yield* until(() => open.size === 0)
    })
  )

  it.effect("fails a request if it is silent after the head of the response", () =>
    Effect.gen(function* () {
      const begun = yield* Deferred.make<void>()
      const server = Http.createServer((_, response) => {
        response.writeHead(200, { "Content-Length": "10" }).write("{")
        Deferred.doneUnsafe(begun, Effect.void)
      })
      const engine = yield* engineOf(server)
      const fiber = yield* Effect.forkChild(Effect.flip(engine.info))
      yield* Deferred.await(begun)
      yield* TestClock.adjust("20 seconds")
      const error = yield* Fiber.join(fiber)
      assert.strictEqual(error._tag === "EngineUnreachable" && error.reason, "Timeout")
    })
  )

  it.live("ends requests at the timeouts of the options", () =>
    Effect.gen(function* () {
      const { server } = silent()
      const engine = yield* engineOf(server, { engineTimeout: "30 millis" })
      assert.include((yield* Effect.flip(engine.startExec("x", { tty: false }).pipe(Effect.scoped))).message, "30ms")
      assert.include((yield* Effect.flip(engine.containerLogs("x"))).message, "30ms")
    })
  )

  it.live("ends requests in finalizers, too, which cannot be interrupted", () =>
    Effect.gen(function* () {
      const { server, open } = silent()
      const { swarm } = yield* managerOf(server, { swarmTimeout: "30 millis" })
      const removal = Effect.acquireRelease(Effect.void, () => Effect.ignore(swarm.removeService("x")))
      yield* Effect.scoped(removal).pipe(Effect.timeout("2 seconds"))
      yield* until(() => open.size === 0)
    })
  )

  it.live("is not waited for after an interruption", () =>
    Effect.gen(function* () {
      const { server, open } = silent()
      const { engine, swarm } = yield* managerOf(server)
      const all = [
        engine.info,
        engine.waitContainer("x"),
        swarm.serviceLogs("x", { follow: true }).pipe(Effect.scoped),
        engine.startExec("x", { tty: false }).pipe(Effect.scoped)
      ]
      for (const request of all) {
        const fiber = yield* Effect.forkChild(request)
        yield* until(() => open.size === 1)
        yield* Fiber.interrupt(fiber)
        yield* until(() => open.size === 0)
      }
    })
  )
})

describe("an incomplete response", () => {
  const cut = (status: number) =>
    Http.createServer((_, response) => {
      response.writeHead(status, { "Content-Length": "1000" }).write('{"ID":')
      setTimeout(() => response.destroy(), 5)
    })

  it.live("is a lost connection, not a result", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip((yield* engineOf(cut(200))).info)
      assert.strictEqual(error._tag === "EngineUnreachable" && error.reason, "Lost")
    })
  )

  it.live("is a lost connection, not the engine's error", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip((yield* engineOf(cut(500))).info)
      assert.strictEqual(error._tag === "EngineUnreachable" && error.reason, "Lost")
    })
  )

  it.live("is the engine's error if its text is endless", () =>
    Effect.gen(function* () {
      let closed = false
      const server = Http.createServer((_, response) => {
        response.on("close", () => {
          closed = true
        })
        response.writeHead(500).write("x".repeat(100_000))
      })
      const error = yield* Effect.flip((yield* engineOf(server)).info)
      assert.instanceOf(error, EngineError)
      yield* until(() => closed)
    })
  )

  it.live("ends a log with a lost connection, after what arrived", () =>
    Effect.gen(function* () {
      const { swarm } = yield* managerOf(cut(200))
      const log = yield* swarm.serviceLogs("x", { follow: true })
      const seen: Array<string> = []
      const error = yield* log.pipe(
        Stream.runForEach((chunk) => Effect.sync(() => seen.push(Buffer.from(chunk).toString()))),
        Effect.flip
      )
      assert.deepStrictEqual(seen, ['{"ID":'])
      assert.strictEqual(error.reason, "Lost")
      assert.strictEqual(error.operation, "read the log of service x")
    })
  )

  it.live("is a lost connection if it has no head", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip((yield* engineOf(Net.createServer((socket) => socket.end()))).info)
      assert.strictEqual(error._tag === "EngineUnreachable" && error.reason, "Lost")
    })
  )
})

describe("a response that no engine sends", () => {
  const info = (server: Net.Server) => Effect.flatMap(engineOf(server), (engine) => Effect.flip(engine.info))

  it.live("is named if it is not HTTP", () =>
    Effect.gen(function* () {
      const error = yield* info(Net.createServer((socket) => socket.end("SSH-2.0-OpenSSH_9.9\r\n")))
      assert.instanceOf(error, UnexpectedReply)
      assert.include(error.message, "not a Docker engine")
    })
  )

  it.live("is quoted if it is not JSON", () =>
    Effect.gen(function* () {
      const error = yield* info(answering(200, "<!doctype html>"))
      assert.instanceOf(error, UnexpectedReply)
      assert.include(error.message, 'not JSON: "<!doctype html>"')
    })
  )

  it.live("is refused if it is empty or other JSON", () =>
    Effect.gen(function* () {
      assert.include((yield* info(answering(200, ""))).message, "empty instead of JSON")
      const error = yield* info(answering(200, '{"Name":5}'))
      assert.instanceOf(error, UnexpectedReply)
      assert.include(error.message, "Name")
      assert.notInclude(error.message, "\n")
    })
  )

  it.live("is an error if it is a redirect, which is not followed", () =>
    Effect.gen(function* () {
      let asked = 0
      const elsewhere = Http.createServer((_, response) => {
        asked++
        response.end("{}")
      })
      const port = portOf(yield* listening(elsewhere, { host: "127.0.0.1", port: 0 }))
      const error = yield* info(answering(307, "", { Location: `http://127.0.0.1:${port}/` }))
      assert.instanceOf(error, EngineError)
      assert.strictEqual(error.status, 307)
      // Nothing listens on this address.
      yield* info(answering(301, "", { Location: "http://127.0.0.1:1/" }))
      yield* Effect.sleep("20 millis")
      assert.strictEqual(asked, 0)
    })
  )

  it.live("null instead of an empty list", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* (yield* managerOf(answering(200, "null"))).swarm.listTasks({}), [])
    })
  )

  it.live("an unknown state, unknown keys, and null values", () =>
    Effect.gen(function* () {
      const task = {
        ID: "t",
        Version: { Index: 7 },
        Labels: null,
        Spec: { ContainerSpec: { Image: "i", Labels: null, New: [1] } },
        ServiceID: "s",
        Status: { State: "dreaming", ContainerStatus: null, New: {} },
        DesiredState: "awake",
        NetworksAttachments: null
      }
      const { swarm } = yield* managerOf(answering(200, JSON.stringify(task)))
      assert.deepStrictEqual((yield* swarm.inspectTask("t")).Spec, { ContainerSpec: { Image: "i", New: [1] } })
      const list = yield* managerOf(answering(200, JSON.stringify([task])))
      const [listed] = yield* list.swarm.listTasks({})
      assert.deepStrictEqual(listed, {
        ID: "t",
        Version: { Index: 7 },
        CreatedAt: "",
        UpdatedAt: "",
        Labels: {},
        Spec: { ContainerSpec: { Image: "i", Labels: {}, User: "", TTY: false } },
        ServiceID: "s",
        Status: { Timestamp: "", State: "dreaming", Message: "" },
        DesiredState: "awake",
        NetworksAttachments: []
      })
    })
  )

  it.live("a worker is named if it describes itself", () =>
    Effect.gen(function* () {
      const worker = "This node is not a swarm manager. Worker nodes can't be used to view or modify cluster state."
      const server = (info: object) =>
        Http.createServer((request, response) => {
          const about = request.url === "/info"
          response.writeHead(about ? 200 : 503).end(JSON.stringify(about ? info : { message: worker }))
        })
      const swarm = { RemoteManagers: [{ NodeID: "m", Addr: "10.0.0.1:2377" }] }
      const told = yield* managerOf(server({ Name: "node-2", ServerVersion: "1", Swarm: swarm }))
      const error = yield* Effect.flip(told.swarm.listNodes())
      assert.instanceOf(error, NotSwarmManager)
      assert.deepStrictEqual([error.node, error.managers], ["node-2", ["10.0.0.1:2377"]])
      const untold = yield* Effect.flip((yield* managerOf(server({}))).swarm.listNodes())
      assert.instanceOf(untold, NotSwarmManager)
      assert.isUndefined(untold.node)
    })
  )
})

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

describe("uploads", () => {
  /** Responds to the first bytes of a body, as an engine does at the end of an archive, and reads no more of it. */
  const hasty = () =>
    Http.createServer((request, response) => {
      request.once("data", () => {
        request.pause()
        response.end()
      })
    })

  /** Uploads a body from a queue, after its first bytes. Completes when the response has arrived and the connection is closed. */
  const putting = Effect.gen(function* () {
    const answered = yield* Deferred.make<void>()
    const server = hasty()
    server.on("connection", (socket) => socket.on("close", () => Deferred.doneUnsafe(answered, Exit.void)))
    const engine = yield* engineOf(server)
    const rest = yield* Queue.make<Uint8Array, Cause.Done>()
    const body = Stream.concat(Stream.make(Buffer.alloc(1024)), Stream.fromQueue(rest))
    const fiber = yield* Effect.forkChild(engine.putArchive("c", "/tmp", body, { copyUIDGID: false }))
    yield* Deferred.await(answered)
    return { fiber, rest }
  })

  it.effect("reads a response to its end after the body has ended", () =>
    Effect.gen(function* () {
      const { fiber, rest } = yield* putting
      yield* TestClock.adjust("10 seconds")
      for (let at = 0; at < 64; at++) yield* Queue.offer(rest, Buffer.alloc(65_536))
      assert.isUndefined(fiber.pollUnsafe())
      yield* Queue.end(rest)
      yield* Fiber.join(fiber)
      assert.strictEqual(yield* Queue.size(rest), 0)
    })
  )

  it.effect("fails if the body does not end within 30 seconds after the response", () =>
    Effect.gen(function* () {
      const { fiber } = yield* putting
      yield* TestClock.adjust("29 seconds")
      assert.isUndefined(fiber.pollUnsafe())
      yield* TestClock.adjust("1 second")
      const error = yield* Effect.flip(Fiber.join(fiber))
      assert.instanceOf(error, UnexpectedReply)
      assert.include(error.message, "it responded before it had received all data")
    })
  )

  it.effect("fails if the body continues for 30 seconds after the response", () =>
    Effect.gen(function* () {
      const { fiber, rest } = yield* putting
      for (let second = 0; second < 30; second++) {
        yield* Queue.offer(rest, Buffer.alloc(65_536))
        yield* TestClock.adjust("1 second")
      }
      assert.strictEqual((yield* Effect.flip(Fiber.join(fiber)))._tag, "UnexpectedReply")
    })
  )

  it.live("fails if the body fails after the response", () =>
    Effect.gen(function* () {
      const { fiber, rest } = yield* putting
      yield* Queue.failCause(rest, Cause.die("gone"))
      assert.isTrue(Exit.isFailure(yield* Fiber.await(fiber)))
    })
  )
})

describe("two-way connections", () => {
  /** Accepts an upgrade and runs this function with the connection. */
  const upgrading = (then: (socket: Net.Socket, request: string) => void) =>
    Net.createServer({ allowHalfOpen: true }, (socket) => {
      socket.on("error", () => {})
      let request = ""
      const onData = (chunk: Buffer) => {
        request += chunk.toString("latin1")
        if (!request.includes("}")) return
        socket.off("data", onData)
        then(socket, request)
      }
      socket.on("data", onData)
    })
  const switching = "HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"

  it.live("keep bytes that arrive with the head of the response", () =>
    Effect.gen(function* () {
      const engine = yield* engineOf(upgrading((socket) => socket.end(`${switching}early`)))
      const { output } = yield* engine.startExec("x", { tty: true })
      assert.strictEqual(Buffer.concat(yield* Stream.runCollect(output)).toString(), "early")
    })
  )

  it.live("keep the output open after the end of the input", () =>
    Effect.gen(function* () {
      const server = upgrading((socket) => {
        socket.write(switching)
        let input = ""
        socket.on("data", (chunk: Buffer) => {
          input += chunk
        })
        socket.on("end", () => setTimeout(() => socket.end(`got ${input}`), 10))
      })
      const engine = yield* engineOf(server)
      const { output, write, endInput } = yield* engine.startExec("x", { tty: true })
      yield* write(Buffer.from("all"))
      yield* write(Buffer.from(""))
      yield* write(Buffer.from(" of it"))
      yield* endInput
      yield* endInput
      assert.strictEqual((yield* Effect.flip(write(Buffer.from("more")))).reason, "Lost")
      assert.strictEqual(Buffer.concat(yield* Stream.runCollect(output)).toString(), "got all of it")
      assert.strictEqual((yield* Effect.flip(write(Buffer.from("more")))).reason, "Lost")
    })
  )

  it.live("keep received output when the input is refused", () =>
    Effect.gen(function* () {
      const size = 100_000
      const server = upgrading((socket) => {
        socket.pause().write(switching)
        socket.end(Buffer.alloc(size), () => setTimeout(() => socket.resetAndDestroy(), 50))
      })
      const port = portOf(yield* listening(server, { host: "127.0.0.1", port: 0 }))
      const engine = yield* engineAt({ _tag: "Tcp", host: "127.0.0.1", port, basePath: "" })
      const { output, write, endInput } = yield* engine.startExec("x", { tty: true })
      const writing = yield* Effect.forkChild(
        write(Buffer.alloc(1000)).pipe(Effect.delay("1 millis"), Effect.forever, Effect.flip)
      )
      assert.strictEqual((yield* Fiber.join(writing)).reason, "Lost")
      assert.strictEqual((yield* Effect.flip(write(Buffer.alloc(1)))).reason, "Lost")
      yield* endInput
      assert.strictEqual(Buffer.concat(yield* Stream.runCollect(output)).length, size)
    })
  )

  it.live("are closed by their scope", () =>
    Effect.gen(function* () {
      let closed = false
      const server = upgrading((socket) => {
        socket.on("end", () => {
          closed = true
        })
        socket.resume().write(switching)
      })
      const engine = yield* engineOf(server)
      const scope = yield* Scope.make()
      yield* engine.startExec("x", { tty: false }).pipe(Scope.provide(scope))
      assert.isFalse(closed)
      yield* Scope.close(scope, Exit.void)
      yield* until(() => closed)
    })
  )

  it.live("fail without an upgrade", () =>
    Effect.gen(function* () {
      const start = (status: number, body: string) =>
        Effect.flatMap(engineOf(answering(status, body)), (engine) =>
          Effect.flip(Effect.scoped(engine.startExec("x", { tty: false })))
        )
      const plain = yield* start(200, "hello")
      assert.instanceOf(plain, UnexpectedReply)
      assert.include(plain.message, "HTTP status 200 instead of an upgraded connection")
      const conflict = yield* start(409, '{"message":"Container x is paused"}')
      assert.instanceOf(conflict, EngineError)
      assert.strictEqual(conflict.text, "Container x is paused")
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
