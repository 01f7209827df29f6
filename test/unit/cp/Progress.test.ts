import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { line, makeProgress } from "../../../adapters/cp/Progress.ts"
import { humanSize } from "../../../adapters/LayOut.ts"

describe("the progress of a copy", () => {
  it("is a bar if the size is known, and a number of bytes otherwise", () => {
    const cases = [
      [0, 1000, 0, "t  [>                       ] 0%  0B / 1kB"],
      [500, 1000, 1000, "t  [============>           ] 50%  500B / 1kB  500B/s"],
      [1536, 1000, 1000, "t  [========================] 100%  1kB / 1kB  1.54kB/s"],
      [2_500_000, undefined, 1000, "t  2.5MB  2.5MB/s"]
    ] as const
    for (const [bytes, total, millis, expected] of cases) assert.strictEqual(line("t", bytes, total, millis), expected)
  })

  it("has sizes as docker formats them", () => {
    const cases = [
      [0, "0B"],
      [999, "999B"],
      [1540, "1.54kB"],
      [50_000_000, "50MB"],
      [123_456_789_012, "123GB"]
    ] as const
    for (const [bytes, expected] of cases) assert.strictEqual(humanSize(bytes), expected)
  })

  it.effect("is updated at most ten times per second, and leaves no line", () =>
    Effect.gen(function* () {
      let time = 0
      let screen = ""
      const write = (text: string) => {
        screen += text
      }
      const now = () => {
        time += 10
        return time
      }
      const use = Effect.gen(function* () {
        const progress = yield* makeProgress({ write, now }, "t", 2000)
        const chunks = Stream.map(Stream.range(1, 200), () => new Uint8Array(10))
        yield* Stream.runDrain(progress.watch(chunks))
        assert.strictEqual(screen.split("\r").length - 1, 20)
        yield* progress.done("there")
      })
      yield* Effect.scoped(use)
      assert.isTrue(screen.endsWith("\r\u001b[KSuccessfully copied 2kB to there\n"))
    })
  )

  it.effect("leaves no line after a failure", () =>
    Effect.gen(function* () {
      let screen = ""
      const write = (text: string) => {
        screen += text
      }
      const use = Effect.flatMap(makeProgress({ write, now: () => 0 }, "t", undefined), (progress) =>
        Stream.runDrain(progress.watch(Stream.concat(Stream.make(new Uint8Array(1)), Stream.fail("broken"))))
      )
      assert.strictEqual(yield* Effect.flip(Effect.scoped(use)), "broken")
      assert.isTrue(screen.endsWith("\r\u001b[K"))
    })
  )
})
