import { once } from "node:events"
import { mkdtempSync, rmSync } from "node:fs"
import { connect, createServer, type Socket } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { twoWay } from "../../../src/engine/internal/twoWay.ts"

/** Both ends of a connection, closed with the scope. `path`: a Unix socket's path. Without it, TCP. */
const pair = Effect.fnUntraced(function* (path?: string) {
  const server = yield* Effect.acquireRelease(
    Effect.sync(() => createServer({ allowHalfOpen: true })),
    (server) => Effect.sync(() => server.close())
  )
  const accepted = Promise.withResolvers<Socket>()
  server.once("connection", accepted.resolve)
  yield* Effect.promise(async () => once(server.listen(path ?? { host: "127.0.0.1", port: 0 }), "listening"))
  const address = server.address()
  const client =
    address !== null && typeof address === "object" ? connect(address.port, "127.0.0.1") : connect(path ?? "")
  yield* Effect.promise(() => once(client, "connect"))
  const engine = yield* Effect.promise(() => accepted.promise)
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      client.destroy()
      engine.destroy()
    })
  )
  return { client, engine }
})

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "two-way-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true }))
)

describe("a two-way connection", () => {
  it.effect("a Unix socket that is closed with unread input ends after its output is read", () =>
    Effect.gen(function* () {
      const { client, engine } = yield* pair(join(yield* folder, "engine.sock"))
      const connection = yield* twoWay(client, (cause) => cause)
      yield* connection.write(new Uint8Array(10_000))
      const output = Buffer.alloc(150_000, "output")
      // The output, the end and the reset are all in the kernel before the client reads.
      engine.write(output)
      engine.destroy()
      const read = yield* Stream.runCollect(connection.output)
      assert.isTrue(Buffer.concat(read).equals(output))
    }).pipe(Effect.scoped)
  )

  it.effect("a reset over TCP is an error, as it may have discarded output", () =>
    Effect.gen(function* () {
      const { client, engine } = yield* pair()
      const connection = yield* twoWay(client, (cause) => cause)
      engine.resetAndDestroy()
      const error = yield* Effect.flip(Stream.runDrain(connection.output))
      assert.propertyVal(error, "code", "ECONNRESET")
    }).pipe(Effect.scoped)
  )
})
