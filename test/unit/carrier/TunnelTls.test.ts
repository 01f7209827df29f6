import { connect } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { makeTunnel } from "../../../src/carrier/Tunnel.ts"
import { listenForAll, listenSecurely, makeTunnelKey, secureClient, tunnelKey } from "../../../src/carrier/TunnelTls.ts"
import { describeIncoming } from "./Connections.ts"

describe("TLS with a one-time key", () => {
  const port = 27788
  const dial = Effect.acquireRelease(
    Effect.sync(() => connect({ port, host: "127.0.0.1" }).on("error", () => undefined)),
    (socket) => Effect.sync(() => socket.destroy())
  )

  it.live("admits only one client with the key: no wrong keys, no invalid bytes, no second client", () =>
    Effect.gen(function* () {
      const key = tunnelKey(makeTunnelKey())
      const refused: Array<string> = []
      const { client } = yield* listenSecurely(port, key, (why) => refused.push(why))
      const wrong = yield* Effect.flip(secureClient(yield* dial, tunnelKey(makeTunnelKey())))
      assert.strictEqual(wrong._tag, "TunnelLost")
      const garbage = yield* dial
      garbage.write("GET / HTTP/1.1\r\n\r\n")
      yield* Effect.callback<void>((resume) => {
        garbage.resume().on("close", () => resume(Effect.void))
      })
      const mine = yield* makeTunnel(yield* secureClient(yield* dial, key))
      const theirs = yield* makeTunnel(yield* client)
      // It is rejected at once, or after it has proved that it has the key.
      const second = yield* secureClient(yield* dial, key).pipe(
        Effect.flatMap(makeTunnel),
        Effect.flatMap(({ incoming }) => Stream.runCollect(incoming)),
        Effect.orElseSucceed(() => [])
      )
      assert.deepStrictEqual(second, [])
      yield* theirs.send("to you alone")
      yield* theirs.close
      assert.deepStrictEqual((yield* Stream.runCollect(mine.incoming)).map(describeIncoming), ["to you alone"])
      assert.lengthOf(refused, 3)
      assert.match(refused.at(-1) ?? "", /a second client/)
    })
  )

  it.live("admits clients with the key while others hold all connections that they get", () =>
    Effect.gen(function* () {
      const key = tunnelKey(makeTunnelKey())
      const most = 2
      const refused: Array<string> = []
      let clients = 0
      yield* listenForAll(
        { port, key, most },
        { client: () => clients++, refused: (why) => refused.push(why.replace(/^\S+ /, "")) }
      )
      const idle = Effect.gen(function* () {
        const socket = yield* dial
        yield* Effect.callback<void>((resume) => void socket.once("connect", () => resume(Effect.void)))
      })
      yield* Effect.forEach(Array.from({ length: 100 }), () => idle, { concurrency: 10 })
      for (let at = 0; at < most; at++) yield* secureClient(yield* dial, key)
      yield* Effect.forEach(Array.from({ length: 100 }), () => idle, { concurrency: 10 })
      assert.strictEqual(clients, most)
      assert.deepStrictEqual([...new Set(refused)], ["too many connections are in the TLS handshake"])
      yield* Effect.ignore(secureClient(yield* dial, key))
      while (!refused.includes("2 clients are connected already")) yield* Effect.sleep(1)
      assert.strictEqual(clients, most)
    })
  )
})
