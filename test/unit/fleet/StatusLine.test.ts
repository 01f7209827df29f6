import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { TestClock } from "effect/testing"
import { line, makeStatusLine } from "../../../adapters/fleet/StatusLine.ts"
import type { FleetEvent } from "../../../src/fleet/FleetEvent.ts"
import { chosen, ended, exited, failed, skipped, started, stdout, webs } from "./Fixtures.ts"

const counts = { running: 0, done: 0, failed: 0, skipped: 0, left: 0 }
const wipe = "\r\u001b[K"

/** A screen that shows what a terminal would show, and counts writes. */
const makeScreen = () => {
  const screen = {
    text: "",
    writes: 0,
    write: (text: string) => {
      screen.text += text
      screen.writes++
    },
    last: () => screen.text.split("\r").at(-1)?.replace("\u001b[K", "")
  }
  return screen
}

describe("the status line", () => {
  it("shows counts and running tasks", () => {
    const all = { running: 2, done: 80, failed: 1, skipped: 3, left: 57 }
    assert.strictEqual(
      line(all, ["web.3@node-2", "web.4@node-1"], 80),
      "2 running, 80 done, 1 failed, 3 skipped, 57 left  web.3@node-2 web.4@node-1"
    )
    assert.strictEqual(line({ ...counts, left: 3 }, [], 80), "0 running, 3 left")
    assert.strictEqual(line({ ...counts, done: 3 }, [], 80), "")
  })

  it("is never wider than the terminal", () => {
    const running = Array.from({ length: 12 }, (_, at) => `web.${at}@node-2`)
    const full = { ...counts, running: 12, left: 8 }
    assert.strictEqual(line(full, running, 50), "12 running, 8 left  web.0@node-2 web.1@node-2 …")
    assert.strictEqual(line(full, running, 20), "12 running, 8 left")
    for (let columns = 0; columns < 250; columns++) {
      const text = line(full, running, columns)
      assert.isAtMost(text.length, Math.max(0, columns - 1))
      // All running tasks, or a sign that there are more, if there is room.
      if (columns > 23 && !text.includes("web.11")) assert.match(text, / …$/)
    }
  })

  it.effect("is updated at most ten times per second", () =>
    Effect.gen(function* () {
      const tasks = webs(5)
      const [one, two, three, four, five] = tasks
      assert.isDefined(five)
      if (!one || !two || !three || !four || !five) return
      const screen = makeScreen()
      const status = yield* makeStatusLine(screen, () => 80)
      const happens = (events: ReadonlyArray<FleetEvent>) => Effect.forEach(events, status.see)
      yield* happens([chosen(tasks), started(one), started(two)])
      assert.strictEqual(screen.text, "")
      yield* TestClock.adjust("100 millis")
      assert.strictEqual(screen.last(), "2 running, 3 left  web.1@node-1 web.2@node-2")
      yield* happens([ended(one), started(three), ended(three, exited(3))])
      yield* TestClock.adjust("99 millis")
      assert.strictEqual(screen.writes, 1)
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(screen.last(), "1 running, 1 done, 1 failed, 2 left  web.2@node-2")
      yield* happens([started(four), ended(four, failed("c")), ended(five, skipped("failures"))])
      yield* TestClock.adjust("1 second")
      assert.strictEqual(screen.last(), "1 running, 1 done, 2 failed, 1 skipped  web.2@node-2")
      // Unchanged text is not written again.
      assert.strictEqual(screen.writes, 3)
    })
  )

  it.effect("is erased for other lines, and returns", () =>
    Effect.gen(function* () {
      const tasks = webs(1)
      const screen = makeScreen()
      const status = yield* makeStatusLine(screen, () => 80)
      status.clear()
      assert.strictEqual(screen.text, "")
      yield* Effect.forEach([chosen(tasks), ...tasks.map(started)], status.see)
      yield* TestClock.adjust("100 millis")
      const shown = "\r1 running  web.1@node-1\u001b[K"
      assert.strictEqual(screen.text, shown)
      yield* Effect.forEach(tasks, (of) => status.see(stdout(of, "a line\n")))
      status.clear()
      status.clear()
      screen.write("a line\n")
      yield* TestClock.adjust("100 millis")
      assert.strictEqual(screen.text, `${shown}${wipe}a line\n${shown}`)
    })
  )

  it.effect("is erased at the end", () =>
    Effect.gen(function* () {
      const tasks = webs(2)
      const screen = makeScreen()
      const use = Effect.gen(function* () {
        const status = yield* makeStatusLine(screen, () => 80)
        yield* Effect.forEach([chosen(tasks), ...tasks.map(started)], status.see)
        yield* TestClock.adjust("100 millis")
      })
      yield* Effect.scoped(use)
      assert.isTrue(screen.text.endsWith(wipe))
      const before = screen.text
      yield* TestClock.adjust("1 second")
      assert.strictEqual(screen.text, before)
    })
  )
})
