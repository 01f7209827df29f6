import * as Net from "node:net"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { EngineError, UnexpectedReply } from "../../../src/engine/EngineErrors.ts"
import { answering, engineAt, engineOf, listening, portOf, until } from "./Servers.ts"

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
