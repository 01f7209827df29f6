import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { errorData } from "../../adapters/command/ErrorData.ts"
import { lineLogger, lineOf } from "../../adapters/LineLogger.ts"
import { EngineUnreachable } from "../../src/engine/EngineErrors.ts"
import { ExecTimeout } from "../../src/executor/ExecutorErrors.ts"

describe("messages of the program", () => {
  it("begin with the program's name and end with a hint", () => {
    const line = lineOf("task-exec", "text")
    assert.strictEqual(line("Warn", "careful", { error: 1 }), "task-exec: careful\n")
    assert.strictEqual(line("Error", "wrong", {}, "; see --help"), "task-exec: wrong; see --help\n")
    assert.strictEqual(line("Warn", "one\r\ntwo\u001b[2J\n"), "task-exec: one\n    two\\x1b[2J\n")
  })

  it("are one JSON document on one line, whatever the message contains", () => {
    const text = lineOf("task-exec", "json")("Warn", 'two\nlines, "quoted"', { more: [1] }, "a hint")
    assert.strictEqual(text.indexOf("\n"), text.length - 1)
    const { time, ...rest } = JSON.parse(text)
    assert.deepStrictEqual(rest, { level: "warn", message: 'two\nlines, "quoted"', more: [1] })
    assert.strictEqual(new Date(time).toISOString(), time)
  })

  it.effect("keep their level through Effect's logger", () =>
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

  it.effect("of every level are appended to TASK_EXEC_DEBUG_FILE, with time and process ID", () =>
    Effect.gen(function* () {
      const folder = yield* Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(join(tmpdir(), "task-exec-debug-"))),
        (made) => Effect.sync(() => rmSync(made, { recursive: true }))
      )
      const file = join(folder, "debug")
      const given = process.env.TASK_EXEC_DEBUG_FILE
      yield* Effect.acquireRelease(
        Effect.sync(() => {
          process.env.TASK_EXEC_DEBUG_FILE = file
        }),
        () =>
          Effect.sync(() => {
            if (given === undefined) delete process.env.TASK_EXEC_DEBUG_FILE
            else process.env.TASK_EXEC_DEBUG_FILE = given
          })
      )
      const seen: Array<string> = []
      const logger = lineLogger((message) => void seen.push(message), "Warn")
      yield* Effect.provide(Effect.all([Effect.logDebug("a step"), Effect.logWarning("careful")]), logger)
      assert.deepStrictEqual(seen, ["careful"])
      const lines = readFileSync(file, "utf8").split("\n")
      assert.deepStrictEqual(
        lines.map((line) => line.replace(/^\d{4}-\d\d-\d\dT[\d:.]+Z /, "")),
        [`${process.pid} debug a step`, `${process.pid} warn careful`, ""]
      )
      // A file that cannot be written must not fail the program.
      process.env.TASK_EXEC_DEBUG_FILE = folder
      yield* Effect.provide(
        Effect.logWarning("again"),
        lineLogger((message) => void seen.push(message), "Warn")
      )
      assert.deepStrictEqual(seen, ["careful", "again"])
    }).pipe(Effect.scoped)
  )

  it("have an error's tag and fields, but not its cause", () => {
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
      JSON.stringify(errorData(new ExecTimeout({ after: 500, killResult: { _tag: "Killed" } }))),
      '{"_tag":"ExecTimeout","after":500,"killResult":{"_tag":"Killed"}}'
    )
  })
})
