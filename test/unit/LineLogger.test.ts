import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { errorData } from "../../adapters/cli/ErrorData.ts"
import { lineLogger, lineOf } from "../../adapters/LineLogger.ts"
import { EngineUnreachable } from "../../src/engine/EngineErrors.ts"
import { TimedOut } from "../../src/executor/ExecutorErrors.ts"

describe("a program's own lines", () => {
  it("text: the program's name, the message, and a hint for people", () => {
    const line = lineOf("task-exec", "text")
    assert.strictEqual(line("Warn", "careful", { error: 1 }), "task-exec: careful\n")
    assert.strictEqual(line("Error", "wrong", {}, "; see --help"), "task-exec: wrong; see --help\n")
    assert.strictEqual(lineOf("task-exec", "text", "\r\n")("Warn", "careful"), "task-exec: careful\r\n")
  })

  it("json: one document on one line, whatever the message has in it", () => {
    const text = lineOf("task-exec", "json")("Warn", 'two\nlines, "quoted"', { more: [1] }, "a hint")
    assert.strictEqual(text.indexOf("\n"), text.length - 1)
    const { time, ...rest } = JSON.parse(text)
    assert.deepStrictEqual(rest, { level: "warn", message: 'two\nlines, "quoted"', more: [1] })
    assert.strictEqual(new Date(time).toISOString(), time)
  })

  it.effect("the logger passes on the level", () =>
    Effect.gen(function* () {
      const seen: Array<readonly [string, string]> = []
      const logger = lineLogger((message, level) => void seen.push([level, message]), "Warn")
      const logging = Effect.all([Effect.logDebug("no"), Effect.logWarning("a", "b"), Effect.logError("c")])
      yield* Effect.provide(logging, logger)
      assert.deepStrictEqual(seen, [
        ["Warn", "a b"],
        ["Error", "c"]
      ])
    })
  )

  it("an error as data: its tag and its fields, without the cause", () => {
    const lost = new EngineUnreachable({
      host: "unix:///x",
      operation: "list tasks",
      reason: "Lost",
      detail: "gone",
      cause: new Error("private")
    })
    assert.deepStrictEqual(errorData(lost), {
      _tag: "EngineUnreachable",
      host: "unix:///x",
      operation: "list tasks",
      reason: "Lost",
      detail: "gone"
    })
    assert.strictEqual(
      JSON.stringify(errorData(new TimedOut({ after: 500, ending: { _tag: "Killed" } }))),
      '{"_tag":"TimedOut","after":500,"ending":{"_tag":"Killed"}}'
    )
  })
})
