import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { wholeArchive } from "../../../src/copy/WholeArchive.ts"

const entry = Buffer.concat([Buffer.alloc(512, "h"), Buffer.alloc(512, "c")])
const good = Buffer.concat([entry, Buffer.alloc(1024)])

const read = (bytes: Uint8Array, piece: number) => {
  const chunks = Array.from({ length: Math.ceil(bytes.length / piece) }, (_, n) =>
    bytes.subarray(n * piece, (n + 1) * piece)
  )
  return Stream.fromIterable(chunks).pipe(
    wholeArchive(() => "incomplete" as const),
    Stream.runCollect,
    Effect.map((all) => Buffer.concat(all)),
    Effect.result
  )
}

describe("wholeArchive", () => {
  it.effect("passes a complete archive unchanged, wherever it is split", () =>
    Effect.gen(function* () {
      for (const piece of [1, 3, 511, 512, 1000, 1024, 5000]) {
        const result = yield* read(good, piece)
        assert.isTrue(result._tag === "Success" && result.success.equals(good), `pieces of ${piece}`)
      }
    })
  )

  it.effect("fails for an archive that is truncated, has no end or half of one, or ends with an error text", () =>
    Effect.gen(function* () {
      const bad = [
        Buffer.alloc(0),
        entry,
        entry.subarray(0, 700),
        good.subarray(0, -1),
        good.subarray(0, -512),
        Buffer.concat([good, Buffer.from("unexpected EOF\n")])
      ]
      for (const bytes of bad) {
        for (const piece of [1, 512, 4096]) assert.strictEqual((yield* read(bytes, piece))._tag, "Failure")
      }
    })
  )
})
