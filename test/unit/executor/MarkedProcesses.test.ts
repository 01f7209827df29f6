import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { runVariable } from "../../../src/executor/ExecSpec.ts"
import { endMarked } from "../../../src/executor/MarkedProcesses.ts"

/** A shell with the mark that has printed a line, so its traps are set and its children are there. */
const started = (runId: string | undefined, script: string) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const child = spawn("sh", ["-c", `${script}`], {
        env: { PATH: process.env.PATH, ...(runId === undefined ? {} : { [runVariable]: runId }) },
        stdio: ["ignore", "pipe", "ignore"],
        detached: true
      })
      await once(child.stdout, "data")
      return child
    }),
    (child) => Effect.sync(() => child.kill("SIGKILL"))
  )

const ended = (child: ChildProcess) =>
  Effect.promise(async () => {
    if (child.exitCode === null && child.signalCode === null) await once(child, "exit")
    return { code: child.exitCode, signal: child.signalCode }
  })

describe("MarkedProcesses", () => {
  it.live("ends a whole tree: children, those that called setsid, orphans of a double fork", () =>
    Effect.gen(function* () {
      const child = yield* started(
        "tree",
        "setsid sleep 1000 & (sleep 1001 & ) ; sh -c 'sleep 1002 & sleep 1003' & sleep 0.2; echo up; wait"
      )
      assert.deepStrictEqual(yield* endMarked([{ runId: "tree", container: "none", signal: "SIGTERM", grace: 5000 }]), [
        { _tag: "Killed" }
      ])
      assert.strictEqual((yield* ended(child)).signal, "SIGTERM")
    })
  )

  it.live("KILL after the grace period for what ignores the signal", () =>
    Effect.gen(function* () {
      const child = yield* started("deaf", "trap '' TERM; echo up; while :; do sleep 0.05; done")
      const before = Date.now()
      assert.deepStrictEqual(yield* endMarked([{ runId: "deaf", container: "none", signal: "SIGTERM", grace: 300 }]), [
        { _tag: "Killed" }
      ])
      assert.isAtLeast(Date.now() - before, 300)
      assert.strictEqual((yield* ended(child)).signal, "SIGKILL")
    })
  )

  it.live("what needs some time to end after the signal gets it", () =>
    Effect.gen(function* () {
      const child = yield* started("tidy", "trap 'sleep 0.3; exit 7' TERM; echo up; while :; do sleep 0.05; done")
      assert.deepStrictEqual(yield* endMarked([{ runId: "tidy", container: "none", signal: "SIGTERM", grace: 5000 }]), [
        { _tag: "Killed" }
      ])
      assert.strictEqual((yield* ended(child)).code, 7)
    })
  )

  it.live("never touches a process without the mark, or with another run's", () =>
    Effect.gen(function* () {
      const unmarked = yield* started(undefined, "echo up; sleep 1000")
      const other = yield* started("mine-2", "echo up; sleep 1000")
      assert.deepStrictEqual(yield* endMarked([{ runId: "mine", container: "none", signal: "SIGKILL", grace: 0 }]), [
        { _tag: "Killed" }
      ])
      assert.isNull(unmarked.exitCode ?? unmarked.signalCode)
      assert.isNull(other.exitCode ?? other.signalCode)
    })
  )
})
