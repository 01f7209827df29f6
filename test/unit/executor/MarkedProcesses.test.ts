import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import { runVariable } from "../../../src/executor/ExecSpec.ts"
import { endMarked, environmentFromStat, isDirectlyIn } from "../../../src/executor/MarkedProcesses.ts"

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

/** Starts a script that can call itself by `$0`, with the mark. It has ended with the scope. */
const startedScript = (runId: string, script: string, ...args: ReadonlyArray<string>) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const folder = mkdtempSync(join(tmpdir(), "task-exec-marked-"))
      const file = join(folder, "again")
      writeFileSync(file, `#!/bin/sh\n${script}\n`)
      chmodSync(file, 0o755)
      const child = spawn(file, args, {
        env: { PATH: process.env.PATH, [runVariable]: runId },
        stdio: "ignore",
        detached: true
      })
      await once(child, "spawn")
      return { child, folder }
    }),
    ({ folder }) =>
      Effect.sync(() => {
        for (const pid of marked(runId)) process.kill(pid, "SIGKILL")
        rmSync(folder, { recursive: true })
      })
  )

/** PIDs of the processes with the mark. */
const marked = (runId: string): ReadonlyArray<number> =>
  readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => {
      try {
        return `\0${readFileSync(`/proc/${name}/environ`, "latin1")}`.includes(`\0${runVariable}=${runId}\0`)
      } catch {
        return false
      }
    })
    .map(Number)

describe("processes that change while they are looked for", () => {
  // Each attempt meets the process at another point of its loop.
  const attempts = 15

  it.live("kills a process that replaces itself all the time", () =>
    Effect.gen(function* () {
      const runId = "replaced"
      for (let attempt = 0; attempt < attempts; attempt++) {
        const { child } = yield* startedScript(runId, 'exec "$0"')
        const run = { runId, container: "none", signal: "SIGKILL", grace: 0 } as const
        assert.deepStrictEqual(yield* endMarked([run]), [{ _tag: "Killed" }])
        assert.strictEqual((yield* ended(child)).signal, "SIGKILL")
      }
    }).pipe(Effect.scoped)
  )

  it.live("kills a chain of processes, each of which starts the next and ends", () =>
    Effect.gen(function* () {
      for (let attempt = 0; attempt < 3; attempt++) {
        const runId = `chain-${attempt}`
        const chain = '[ "$1" -gt 0 ] || exec sleep 1000\n"$0" $(($1 - 1)) &'
        yield* startedScript(runId, chain, "60")
        const run = { runId, container: "none", signal: "SIGKILL", grace: 0 } as const
        assert.deepStrictEqual(yield* endMarked([run]), [{ _tag: "Killed" }])
        assert.deepStrictEqual(marked(runId), [])
      }
    }).pipe(Effect.scoped)
  )

  it.effect("waits for the first process of a command that may be about to start", () =>
    Effect.gen(function* () {
      const run = { runId: "late", container: "none", signal: "SIGTERM", grace: 5000, mayStart: true } as const
      const killing = yield* Effect.forkChild(endMarked([run]))
      yield* TestClock.adjust("3 seconds")
      const child = yield* started("late", "echo up; sleep 1000")
      yield* TestClock.adjust("40 millis")
      assert.strictEqual((yield* ended(child)).signal, "SIGTERM")
      yield* TestClock.adjust("40 millis")
      assert.deepStrictEqual(yield* Fiber.join(killing), [{ _tag: "Killed" }])
    }).pipe(Effect.scoped)
  )

  it.effect("waits 10 s for a command that does not start", () =>
    Effect.gen(function* () {
      const run = { runId: "never", container: "none", signal: "SIGTERM", grace: 0, mayStart: true } as const
      const killing = yield* Effect.forkChild(endMarked([run]))
      yield* TestClock.adjust("9900 millis")
      assert.isUndefined(killing.pollUnsafe())
      yield* TestClock.adjust("200 millis")
      assert.deepStrictEqual(yield* Fiber.join(killing), [{ _tag: "Killed" }])
    })
  )
})

describe("the environment of a process", () => {
  const stat = (memory: string, start: string, end: string) =>
    `7 (a) b) S ${Array.from({ length: 49 }, (_, at) => ({ 19: memory, 46: start, 47: end })[at] ?? "9").join(" ")}`
  const cases: ReadonlyArray<readonly [string, string, ReturnType<typeof environmentFromStat>]> = [
    ["does not exist for a kernel thread or a zombie", stat("0", "0", "0"), "NoMemory"],
    ["is missed during an execve", stat("4096", "0", "0"), "Missed"],
    ["is missed if the process was in an execve when it was read", stat("4096", "100", "200"), "Missed"],
    ["is read, and may be empty", stat("4096", "100", "100"), "Read"]
  ]
  for (const [what, text, expected] of cases) {
    it(what, () => assert.strictEqual(environmentFromStat(text), expected))
  }
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
