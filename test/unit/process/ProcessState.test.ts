import { assert, describe, it, vi } from "@effect/vitest"
import { changedParts, processState } from "./ProcessState.ts"

/** Makes and undoes a change. Returns the names of the affected parts. */
const changedBy = (change: () => void, undo: () => void): ReadonlyArray<string> => {
  const before = processState()
  change()
  try {
    return changedParts(before, processState())
  } finally {
    undo()
  }
}

describe("the state of the process that unit tests share", () => {
  it("differs after a variable is set, changed or deleted", () => {
    const name = "TASK_EXEC_PROCESS_STATE"
    const unset = () => {
      delete process.env[name]
    }
    const set = (value: string) => () => {
      process.env[name] = value
    }
    assert.deepStrictEqual(changedBy(set("1"), set("2")), [`environment variable ${name}`])
    assert.deepStrictEqual(changedBy(set("3"), set("3")), [`environment variable ${name}`])
    assert.deepStrictEqual(changedBy(unset, unset), [`environment variable ${name}`])
  })

  it("differs while there is another listener, working folder, exit code, clock or global name", () => {
    const listener = () => undefined
    const listen = () => void process.on("SIGWINCH", listener)
    assert.deepStrictEqual(
      changedBy(listen, () => process.off("SIGWINCH", listener)),
      ["listeners of SIGWINCH"]
    )
    const folder = process.cwd()
    assert.deepStrictEqual(
      changedBy(
        () => process.chdir("/"),
        () => process.chdir(folder)
      ),
      ["working folder"]
    )
    const code = process.exitCode
    const setCode = (value: typeof code) => () => {
      process.exitCode = value
    }
    assert.deepStrictEqual(changedBy(setCode(3), setCode(code)), ["exit code"])
    assert.deepStrictEqual(
      changedBy(
        () => Reflect.set(globalThis, "processStateTest", 1),
        () => Reflect.deleteProperty(globalThis, "processStateTest")
      ),
      ["global processStateTest"]
    )
    assert.deepStrictEqual(
      changedBy(
        () => vi.useFakeTimers(),
        () => vi.useRealTimers()
      ),
      ["clock", "timers"]
    )
  })

  it("is equal without a change", () => {
    assert.deepStrictEqual(changedParts(processState(), processState()), [])
  })
})
