import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import { encodeRecord, makeRequestLog, openRuns } from "../../../adapters/helper/RequestLog.ts"
import { noticeInterval, noticeLine } from "../../../src/agent/AgentLog.ts"

const key = "k".repeat(43)
const run = (letter: string) => letter.repeat(26)
const container = "c".repeat(64)

/** A log and its written lines. */
const opened = Effect.gen(function* () {
  const written: Array<string> = []
  const log = makeRequestLog(key, (text) => Effect.sync(() => void written.push(text)))
  yield* log.announce
  return { log, lines: () => written.join("").trimEnd().split("\n") }
})
const exec = (of: string, more: object = {}) =>
  ({ action: "exec", run: of, container, detach: false, ...more }) as const

describe("an agent's log", () => {
  it.effect("begins with the notice of its key, and repeats it often enough", () =>
    Effect.gen(function* () {
      const { lines, log } = yield* opened
      for (let at = 0; at < 100; at++) yield* log.line(`line ${at}`)
      const notices = lines().flatMap((line, at) => (`${line}\n` === noticeLine({ key, isRetired: false }) ? [at] : []))
      assert.strictEqual(notices[0], 0)
      for (const [at, place] of notices.entries()) assert.isAtMost(place - (notices[at - 1] ?? 0), noticeInterval + 1)
      yield* log.retire
      for (let at = 0; at < noticeInterval; at++) yield* log.line(`line ${at}`)
      const after = lines().filter((line) => line.startsWith("agent key"))
      assert.deepStrictEqual(after.slice(-2), [`agent key ${key} retired`, `agent key ${key} retired`])
    })
  )

  it.effect("has a line for the start and for the end of each request, with its duration", () =>
    Effect.gen(function* () {
      const { lines, log } = yield* opened
      const ended = yield* log.begin({ ...exec(run("a")), who: { user: "ada", host: "ops-1" } })
      yield* TestClock.adjust("250 millis")
      yield* ended({ exitCode: 3 })
      assert.deepStrictEqual(
        lines()
          .slice(1)
          .map((line): unknown => JSON.parse(line)),
        [
          {
            time: "1970-01-01T00:00:00.000Z",
            event: "begin",
            ...exec(run("a")),
            who: { user: "ada", host: "ops-1" }
          },
          {
            time: "1970-01-01T00:00:00.250Z",
            event: "end",
            run: run("a"),
            outcome: { exitCode: 3 },
            milliseconds: 250
          }
        ]
      )
    })
  )

  it.effect("limits the lines about rejected connections", () =>
    Effect.gen(function* () {
      const { lines, log } = yield* opened
      yield* TestClock.adjust("1 hour")
      for (let at = 0; at < 1000; at++) yield* log.refused(`10.0.0.${at}: no`)
      assert.isAtMost(lines().length, 30)
      yield* TestClock.adjust("1 minute")
      yield* log.refused("10.0.0.1: no")
      assert.match(lines().at(-1) ?? "", /^agent: refused 10\.0\.0\.1: no; 980 more in the minute before$/)
    })
  )

  it.effect("fails a request that cannot be logged", () =>
    Effect.gen(function* () {
      let isFull = false
      const log = makeRequestLog(key, () =>
        Effect.suspend(() => (isFull ? Effect.fail({ message: "no space left" }) : Effect.void))
      )
      isFull = true
      const error = yield* Effect.flip(log.begin(exec(run("a"))))
      assert.strictEqual(error.message, "the agent cannot write its log: no space left")
    })
  )

  it.prop("keeps each entry one short line without control characters", [Schema.Json], ([value]) => {
    const line = encodeRecord({ value, text: JSON.stringify(value), list: Array.from({ length: 50 }, () => value) })
    // Joiners of scripts and emoji stay.
    assert.notMatch(line, /(?![\u200c\u200d])[\p{Cc}\p{Cf}\u2028\u2029]/u)
    assert.isObject(JSON.parse(line))
  })

  it("escapes control characters, and shortens long texts", () => {
    const words = ["\u001b]52;c;x\u0007", "\u009b31m", "a\nagent key x", "\u202e", "w".repeat(300), "\u{e0001}"]
    const line = encodeRecord({ command: words })
    assert.deepStrictEqual(JSON.parse(line), { command: [...words.slice(0, 4), `${"w".repeat(200)}…`, words[5]] })
    assert.notMatch(line, /[\p{Cc}\p{Cf}]/u)
    assert.isBelow(encodeRecord({ command: Array.from({ length: 5000 }, () => "w".repeat(5000)) }).length, 8192)
  })
})

describe("the requests under way in a log", () => {
  it.effect("are those that began, and neither ended nor were detached", () =>
    Effect.gen(function* () {
      const { lines, log } = yield* opened
      yield* log.begin(exec(run("a")))
      yield* Effect.flatMap(log.begin(exec(run("b"))), (ended) => ended({ exitCode: 0 }))
      yield* Effect.flatMap(log.begin(exec(run("c"))), (ended) => ended({ detached: true }))
      yield* log.begin(exec(run("d"), { detach: true }))
      yield* log.begin({ action: "copy", run: run("e"), container })
      yield* log.begin(exec("not a run"))
      yield* log.begin({ ...exec(run("f")), container: "web" })
      assert.deepStrictEqual(
        openRuns(`${lines().join("\n")}\n{"event":"begin"`).map((open) => [open.run, open.container]),
        [[run("a"), container]]
      )
      assert.deepStrictEqual(openRuns(""), [])
    })
  )
})
