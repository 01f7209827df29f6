import { assert, describe, it } from "@effect/vitest"
import { exitCodeOfAll, summarize } from "../../../adapters/fleet/Summary.ts"
import type { TaskOutcome, TaskResult } from "../../../src/fleet/FleetEvent.ts"
import { exited, failed, skipped, task, webs } from "./Fixtures.ts"

const outcomes = (results: ReadonlyArray<TaskResult>): ReadonlyArray<TaskOutcome> =>
  webs(results.length).flatMap((of, at) => {
    const result = results[at]
    return result === undefined ? [] : [{ task: of, result }]
  })

const stopped = (container: string) =>
  `the command did not finish: container ${container} stopped. Swarm may have replaced the task: see "task-exec ls".`

describe("the summary", () => {
  it("counts results, and names tasks without success", () => {
    const results = [exited(0), exited(3), exited(0), failed("c")]
    assert.strictEqual(
      summarize(outcomes(results)),
      `4 tasks: 2 succeeded, 1 exited with 3 (web.2@node-2), 1 failed (web.4@node-4: ${stopped("c")})`
    )
  })

  it("has its own words for one task, no tasks and detached commands", () => {
    assert.strictEqual(summarize(outcomes([exited(0)])), "1 task: 1 succeeded")
    assert.strictEqual(summarize([]), "0 tasks")
    assert.strictEqual(summarize(outcomes([{ _tag: "Detached" }, { _tag: "Detached" }])), "2 tasks: 2 started")
  })

  it("groups tasks by code and reason, ordered and folded", () => {
    const results = [exited(9), exited(3), exited(3), skipped("failures"), skipped("failures"), skipped("deadline")]
    assert.strictEqual(
      summarize(outcomes(results)),
      "6 tasks: 2 exited with 3 (web.[2-3]), 1 exited with 9 (web.1@node-1), " +
        "2 not started: too many tasks failed (web.[4-5]), 1 not started: deadline exceeded (web.6@node-6)"
    )
  })

  it("shows the most frequent of many messages", () => {
    const results = ["a", "b", "b", "c", "d", "d", "e"].map(failed)
    assert.strictEqual(
      summarize(outcomes(results)),
      `7 tasks: 7 failed (web.[2-3]: ${stopped("b")}; web.[5-6]: ${stopped("d")}; web.1@node-1: ${stopped("a")}; and 2 more)`
    )
  })

  it("is short for any number and names of tasks", () => {
    const odd = (at: number) => ({ task: task(`web.${at * 2}@n`), result: exited(1) })
    const text = summarize(Array.from({ length: 10_000 }, (_, at) => odd(at)))
    assert.isBelow(text.length, 160)
    const [, names = "", more] = /exited with 1 \((.*) and (\d+) more\)$/.exec(text) ?? []
    assert.strictEqual(names.split(",").length + Number(more), 10_000)
    const even = { task: task("web.1@n"), result: exited(0) }
    assert.strictEqual(summarize(Array.from({ length: 10_000 }, () => even)), "10000 tasks: 10000 succeeded")
  })

  it("has the largest exit code", () => {
    const cases: ReadonlyArray<readonly [ReadonlyArray<TaskResult>, number]> = [
      [[], 0],
      [[exited(0), { _tag: "Detached" }], 0],
      [[exited(0), exited(3), exited(1)], 3],
      [[exited(3), failed("c")], 125],
      [[exited(137), failed("c")], 137],
      [[exited(0), skipped("interrupted")], 125]
    ]
    for (const [results, code] of cases) assert.strictEqual(exitCodeOfAll(outcomes(results)), code)
  })
})
