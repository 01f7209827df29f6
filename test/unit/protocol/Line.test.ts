import { duplexPair } from "node:stream"
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import { TunnelLost } from "../../../src/carrier/Channel.ts"
import { makeTunnel } from "../../../src/carrier/Tunnel.ts"
import { lineOver } from "../../../src/protocol/Line.ts"

describe("a line over a tunnel", () => {
  it.effect("is open from the greeting on, also before anything is sent", () =>
    Effect.gen(function* () {
      const [near, far] = duplexPair()
      far.on("error", () => undefined).resume()
      const tunnel = yield* makeTunnel(near)
      const greeted = yield* Deferred.make<void, TunnelLost>()
      const line = lineOver(tunnel.channel(1), greeted)
      assert.isFalse(line.isOpen())
      yield* Deferred.succeed(greeted, undefined)
      assert.isTrue(line.isOpen())
    })
  )

  it.effect("fails with the error that arrives instead of the greeting", () =>
    Effect.gen(function* () {
      const [near, far] = duplexPair()
      far.on("error", () => undefined).resume()
      const tunnel = yield* makeTunnel(near)
      const greeted = yield* Deferred.make<void, TunnelLost>()
      const line = lineOver(tunnel.channel(1), greeted)
      yield* Deferred.fail(greeted, new TunnelLost({ detail: "another version" }))
      const error = yield* Effect.flip(line.send("an order"))
      assert.match(error.message, /another version/)
    })
  )
})
