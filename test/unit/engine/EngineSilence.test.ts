import { writeFile } from "node:fs/promises"
import * as Http from "node:http"
import * as Net from "node:net"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import { EngineUnreachable } from "../../../src/engine/EngineErrors.ts"
import { engineAt, engineOf, folder, listening, managerOf, portOf, until } from "./Servers.ts"

/** Accepts connections and sends nothing. Returns the open connections. */
const silent = () => {
  const open = new Set<Net.Socket>()
  const server = Net.createServer((socket) => {
    open.add(socket.on("close", () => open.delete(socket)).on("error", () => {}))
    socket.resume()
  })
  return { server, open }
}

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
