import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { carryOver } from "../../../src/carrier/RelayCarrier.ts"
import { makeTunnel } from "../../../src/carrier/Tunnel.ts"
import { TunnelFrameReader } from "../../../src/carrier/TunnelFrame.ts"
import { settle } from "./Connections.ts"

describe("a relay's connection", () => {
  it.effect("writes each frame in one piece, as a piece wakes every process on the way", () =>
    Effect.gen(function* () {
      const pieces: Array<Uint8Array> = []
      const { duplex } = yield* carryOver({
        output: Stream.never,
        arrival: Effect.never,
        write: (chunk) => Effect.sync(() => void pieces.push(chunk)),
        endInput: Effect.void
      })
      const tunnel = yield* makeTunnel(duplex)
      yield* settle
      yield* tunnel.write("stdin", Buffer.from("x"))
      yield* tunnel.send("a document")
      yield* settle
      const read = pieces.map((piece) => new TunnelFrameReader().push(piece).map(({ _tag }) => _tag))
      assert.deepStrictEqual(read, [["Ping"], ["Data"], ["Document"]])
    })
  )
})
