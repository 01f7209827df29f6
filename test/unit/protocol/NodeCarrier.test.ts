import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import { byLog, byLogThenTunnel, type Log } from "../../../src/protocol/NodeCarrier.ts"

/** A log in which a later write takes less time than an earlier one, as writes of several threads may. Returns the order of their ends. */
const slowerFirst = () => {
  const written: Array<number> = []
  let count = 0
  const log: Log<never> = {
    write: () =>
      Effect.suspend(() => {
        const number = count++
        return Effect.sync(() => written.push(number)).pipe(Effect.delay(100 - number), Effect.as(1))
      })
  }
  return { log, written }
}

describe("a helper's log", () => {
  it.effect.each([
    { name: "without a tunnel", open: byLog },
    {
      name: "that a tunnel may follow",
      open: (log: Log<never>) => byLogThenTunnel(log, { from: "output", open: () => Effect.never })
    }
  ])("$name has the frames of several commands in the order of their numbers", ({ open }) =>
    Effect.gen(function* () {
      const { log, written } = slowerFirst()
      const carrier = yield* open(log)
      const send = (channel: number) => carrier.send(channel, [{ _tag: "Exited", code: 0 }])
      const sending = yield* Effect.forkChild(Effect.forEach([1, 2, 3], send, { concurrency: "unbounded" }))
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(sending)
      assert.deepStrictEqual(written, [0, 1, 2])
    })
  )
})
