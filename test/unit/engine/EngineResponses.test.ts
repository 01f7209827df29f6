import * as Http from "node:http"
import * as Net from "node:net"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { EngineError, NotSwarmManager, UnexpectedReply } from "../../../src/engine/EngineErrors.ts"
import { answering, engineOf, listening, managerOf, portOf, until } from "./Servers.ts"

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
      const connected = yield* managerOf(server({ Name: "node-2", ServerVersion: "1", Swarm: swarm }))
      const error = yield* Effect.flip(connected.swarm.listNodes())
      assert.instanceOf(error, NotSwarmManager)
      assert.deepStrictEqual([error.node, error.managers], ["node-2", ["10.0.0.1:2377"]])
      const untold = yield* Effect.flip((yield* managerOf(server({}))).swarm.listNodes())
      assert.instanceOf(untold, NotSwarmManager)
      assert.isUndefined(untold.node)
    })
  )
})
