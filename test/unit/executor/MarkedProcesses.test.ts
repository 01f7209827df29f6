import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { runVariable } from "../../../src/executor/ExecSpec.ts"
import { endMarked, isDirectlyIn } from "../../../src/executor/MarkedProcesses.ts"

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
  it.live("ends a process tree: children, processes that called setsid, orphans of a double fork", () =>
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

  it.live("sends KILL after the grace period to processes that ignore the signal", () =>
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

  it.live("gives processes their time to end after the signal", () =>
    Effect.gen(function* () {
      const child = yield* started("tidy", "trap 'sleep 0.3; exit 7' TERM; echo up; while :; do sleep 0.05; done")
      assert.deepStrictEqual(yield* endMarked([{ runId: "tidy", container: "none", signal: "SIGTERM", grace: 5000 }]), [
        { _tag: "Killed" }
      ])
      assert.strictEqual((yield* ended(child)).code, 7)
    })
  )

  it.live("never signals a process without the mark, or with the mark of another run", () =>
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

describe("the innermost container of a cgroup", () => {
  const [outer, inner] = ["a".repeat(64), "b".repeat(64)]
  const cases: ReadonlyArray<readonly [string, boolean]> = [
    [`0::/docker/${outer}`, true],
    [`0::/system.slice/docker-${outer}.scope`, true],
    [`0::/../${outer}`, true],
    [`0::/docker/${outer}/init.scope`, true],
    [`12:cpu:/docker/${outer}\n1:name=systemd:/docker/${outer}\n0::/`, true],
    [`0::/docker/${outer}/docker/${inner}`, false],
    [`0::/docker/${inner}`, false],
    ["0::/user.slice/user-0.slice/session-1.scope", false],
    ["", false]
  ]
  for (const [cgroups, expected] of cases) {
    it(`${expected ? "is" : "is not"} that of ${JSON.stringify(cgroups)}`, () => {
      assert.strictEqual(isDirectlyIn(outer, cgroups), expected)
    })
  }

  it.live("limits the kill to processes of that container", () =>
    Effect.gen(function* () {
      const child = yield* started("elsewhere", "echo up; while :; do sleep 0.05; done")
      const run = { runId: "elsewhere", container: outer, signal: "SIGTERM", grace: 0 } as const
      assert.deepStrictEqual(yield* endMarked([{ ...run, inContainer: true }]), [{ _tag: "Killed" }])
      assert.deepStrictEqual([child.exitCode, child.signalCode], [null, null])
      assert.deepStrictEqual(yield* endMarked([run]), [{ _tag: "Killed" }])
      assert.strictEqual((yield* ended(child)).signal, "SIGKILL")
    })
  )
})
