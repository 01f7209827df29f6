import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { TestClock } from "effect/testing"
import { line, makeStageLine } from "../../../adapters/cli/StageLine.ts"
import type { Stage } from "../../../src/Stage.ts"

const wipe = "\r\u001b[K"
const find: Stage = { _tag: "Find", target: "web.2" }
const place: Stage = { _tag: "Place", node: "node-3" }
const prepare: Stage = { _tag: "Prepare", node: "node-3", image: "task-exec:1" }
const relay: Stage = { _tag: "Relay" }
const run: Stage = { _tag: "Run" }

const at = (stages: ReadonlyArray<Stage>, now = 0, columns = 80) =>
  line(new Map(stages.map((stage) => [stage, { since: 0 }])), now, columns)

const makeScreen = () => {
  const screen = {
    text: "",
    time: 0,
    write: (text: string) => {
      screen.text += text
    },
    now: () => screen.time
  }
  const pass = (millis: number) => {
    screen.time += millis
    return TestClock.adjust(millis)
  }
  return { screen, pass }
}

describe("the status line", () => {
  it("shows the stage, and from 2 s on its duration", () => {
    assert.strictEqual(at([]), "")
    assert.strictEqual(at([find]), "finding web.2")
    assert.strictEqual(at([relay, place]), "placing the helper on node-3")
    assert.strictEqual(at([place, relay]), "placing the helper on node-3")
    assert.strictEqual(at([prepare], 1999), "preparing the helper on node-3")
    assert.strictEqual(at([prepare], 14_500), "preparing the helper on node-3 (pulls the image if it is missing)  14 s")
    assert.strictEqual(at([run]), "running")
  })

  it("shows the progress of a pull, if the engine reports it", () => {
    const pull: Stage = { _tag: "Pull", image: "task-exec:1" }
    const amount = { done: 12_400_000, total: 40_000_000 }
    const lineAt = (now: number) => line(new Map([[pull, { since: 0, amount }]]), now, 80)
    assert.strictEqual(lineAt(500), "pulling the helper image  12.4MB / 40MB")
    assert.strictEqual(lineAt(2500), "pulling the helper image  12.4MB / 40MB  2 s")
    assert.strictEqual(at([pull], 500), "pulling the helper image")
  })

  it("is never wider than the terminal", () => {
    assert.strictEqual(at([prepare], 14_500, 20), "preparing the  14 s")
    for (let columns = 0; columns < 100; columns++) {
      assert.isAtMost(at([prepare], 14_500, columns).length, Math.max(0, columns - 1))
    }
  })

  it.effect("shows nothing in the first 300 ms, and does not repeat an unchanged text", () =>
    Effect.gen(function* () {
      const { pass, screen } = makeScreen()
      const stage = yield* makeStageLine(screen, () => 80)
      stage.began(find)
      yield* pass(399)
      stage.ended(find)
      stage.began(place)
      assert.strictEqual(screen.text, "")
      yield* pass(1)
      assert.strictEqual(screen.text, "\rplacing the helper on node-3\u001b[K")
      yield* pass(1000)
      assert.strictEqual(screen.text, "\rplacing the helper on node-3\u001b[K")
    })
  )

  it.effect("is erased for other lines, and returns", () =>
    Effect.gen(function* () {
      const { pass, screen } = makeScreen()
      const stage = yield* makeStageLine(screen, () => 80)
      stage.clear()
      assert.strictEqual(screen.text, "")
      stage.began(run)
      yield* pass(400)
      stage.clear()
      stage.clear()
      screen.write("a warning\n")
      yield* pass(100)
      assert.strictEqual(screen.text, `\rrunning\u001b[K${wipe}a warning\n\rrunning\u001b[K`)
    })
  )

  it.effect("follows a pull, and drops the progress of a stage that has ended", () =>
    Effect.gen(function* () {
      const { pass, screen } = makeScreen()
      const stage = yield* makeStageLine(screen, () => 80)
      const pull: Stage = { _tag: "Pull", image: "task-exec:1" }
      stage.began(pull)
      stage.progressed(pull, { done: 1000, total: 4000 })
      yield* pass(400)
      stage.progressed(pull, { done: 4000, total: 4000 })
      yield* pass(100)
      stage.ended(pull)
      stage.progressed(pull, { done: 4000, total: 4000 })
      yield* pass(100)
      const lineAt = (text: string) => `\rpulling the helper image  ${text}\u001b[K`
      assert.strictEqual(screen.text, `${lineAt("1kB / 4kB")}${lineAt("4kB / 4kB")}${wipe}`)
    })
  )

  it.effect("is erased when no stage runs", () =>
    Effect.gen(function* () {
      const { pass, screen } = makeScreen()
      const stage = yield* makeStageLine(screen, () => 80)
      stage.began(run)
      yield* pass(400)
      stage.ended(run)
      yield* pass(1000)
      assert.strictEqual(screen.text, `\rrunning\u001b[K${wipe}`)
    })
  )

  it.effect("is erased for good when it or its scope is closed", () =>
    Effect.gen(function* () {
      for (const how of ["close", "scope"] as const) {
        const { pass, screen } = makeScreen()
        const use = Effect.gen(function* () {
          const stage = yield* makeStageLine(screen, () => 80)
          stage.began(run)
          yield* pass(400)
          if (how === "scope") return
          stage.close()
          stage.began(relay)
          yield* pass(1000)
        })
        yield* Effect.scoped(use)
        yield* pass(1000)
        assert.strictEqual(screen.text, `\rrunning\u001b[K${wipe}`, how)
      }
    })
  )
})
