import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { errors } from "../../adapters/docs/Errors.ts"
import {
  aftermathOf,
  ContainerNotRunning,
  EngineUnreachable,
  InvalidTarget,
  isTaskExecError,
  OutcomeUnknown,
  type RunError,
  TaskExec,
  TaskExecError
} from "../../src/index.ts"
import { stages } from "../../src/testing/Stage.ts"
import { layerTest } from "../../src/testing.ts"

const samples = Object.values(errors).flatMap((doc) => doc.samples)

const gone = new ContainerNotRunning({ container: "c", detail: "container c is not running" })

describe("what an error tells about a retry", () => {
  it.prop("is known for every error, and the predicates follow it", [TaskExecError], ([error]) => {
    const { ran, retry } = aftermathOf(error)
    assert.isTrue(isTaskExecError(error))
    assert.strictEqual(TaskExec.isNothingRun(error), ran === "no")
    assert.strictEqual(TaskExec.isRetryable(error), retry === "safe")
    // If the command may have run, a retry is safe only if it completes the earlier attempt's work.
    if (ran !== "no" && retry !== "check") assert.match(error._tag, /^(?:Copy|Agents|OldKey)/)
    if (ran === "no") assert.notStrictEqual(retry, "check")
  })

  it("agrees with the stage of a run in which the error comes", () => {
    for (const error of samples) {
      const stage = Object.entries(stages).find(([tag]) => tag === error._tag)?.[1]
      const { ran } = aftermathOf(error)
      if (stage === "running") assert.notStrictEqual(ran, "no", error._tag)
      if (stage === "lookup") assert.strictEqual(ran, "no", error._tag)
      if (stage === "start") assert.notStrictEqual(ran, "yes", error._tag)
    }
  })

  it("is nothing for values that are not errors of the library", () => {
    const values = [
      undefined,
      "InvalidTarget",
      new Error("x"),
      { _tag: "InvalidTarget" },
      { _tag: "InvalidTarget", target: "", detail: "" }
    ]
    for (const value of values) {
      assert.isFalse(TaskExec.isNothingRun(value))
      assert.isFalse(TaskExec.isRetryable(value))
    }
  })
})

describe("Effect.retry with TaskExec.isRetryable", () => {
  /** Runs a command that fails with these errors first. Returns its result and the number of attempts. */
  const attempts = (failures: ReadonlyArray<RunError>) => {
    const left = [...failures]
    return TaskExec.run({ target: "web.1", command: ["./migrate"] }).pipe(
      Effect.retry({ while: TaskExec.isRetryable, times: 5 }),
      Effect.match({ onSuccess: ({ exitCode }) => exitCode, onFailure: ({ _tag }) => _tag }),
      Effect.map((end) => [end, failures.length - left.length]),
      Effect.provide(layerTest({ tasks: ["web.1"], script: () => left.shift() ?? { exitCode: 3 } }))
    )
  }

  it.effect("repeats a command that has not run, until it has", () =>
    Effect.gen(function* () {
      const refused = new EngineUnreachable({ host: "h", operation: "ask", reason: "Refused", detail: "refused" })
      assert.deepStrictEqual(yield* attempts([gone, refused]), [3, 2])
    })
  )

  it.effect("does not repeat a command that may have run, or that fails again", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* attempts([new OutcomeUnknown({ detail: "" }), gone]), ["OutcomeUnknown", 1])
      const paused = new ContainerNotRunning({ container: "c", detail: "container c is paused" })
      assert.deepStrictEqual(yield* attempts([paused, gone]), ["ContainerNotRunning", 1])
    })
  )

  it.effect("is a predicate for a schedule, too", () =>
    Effect.gen(function* () {
      const schedule = Schedule.recurs(5).pipe(Schedule.while(({ input }) => TaskExec.isRetryable(input)))
      const attempts = Effect.fnUntraced(function* (error: RunError) {
        let count = 0
        const attempt = Effect.suspend(() => {
          count++
          return Effect.fail(error)
        })
        yield* Effect.exit(Effect.retry(attempt, schedule))
        return count
      })
      assert.strictEqual(yield* attempts(gone), 6)
      assert.strictEqual(yield* attempts(new InvalidTarget({ target: "", detail: "" })), 1)
    })
  )
})
