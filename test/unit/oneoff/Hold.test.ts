import { type ChildProcess, spawn } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout } from "node:timers/promises"
import { assert, describe, it } from "@effect/vitest"
import { holdPrograms, holdTemplate } from "../../../src/oneoff/Hold.ts"

/** Expands the template as a node of this architecture does. */
const expanded = (architecture: string): Buffer => {
  const [, condition = "", otherwise = "", end] = Buffer.from(holdTemplate)
    .toString("latin1")
    .split(/\{\{.*?\}\}/)
  assert.strictEqual(end, "")
  return Buffer.from(/^(?:aarch64|arm64)$/.test(architecture) ? condition : otherwise, "latin1")
}

/** Waits until the kernel's status of a process matches. */
const pollStatus = async (pid: number, wanted: RegExp): Promise<void> => {
  for (;;) {
    const status = readFileSync(`/proc/${pid}/status`, "utf8")
    if (wanted.test(status)) return
    await setTimeout(1)
  }
}

describe("the hold program", () => {
  it("is one of two small programs, by the node's architecture", () => {
    assert.isTrue(expanded("aarch64").equals(holdPrograms.arm64))
    assert.isTrue(expanded("x86_64").equals(holdPrograms.x64))
    assert.deepStrictEqual([holdPrograms.x64.length, holdPrograms.arm64.length], [240, 248])
  })

  it("has an ELF header of its architecture, and one segment that can't be written", () => {
    for (const [name, machine] of [
      ["x64", 62],
      ["arm64", 183]
    ] as const) {
      const elf = holdPrograms[name]
      assert.strictEqual(elf.readUInt16LE(18), machine)
      assert.strictEqual(elf.readUInt32LE(64 + 4), 5, "read and execute")
      assert.strictEqual(Number(elf.readBigUInt64LE(64 + 32)), elf.length)
      assert.strictEqual(Number(elf.readBigUInt64LE(24)) - Number(elf.readBigUInt64LE(64 + 16)), 64 + 56)
    }
  })

  it("waits, whatever a child process or a terminal signals, and ends on TERM, INT and HUP", async () => {
    const own = process.arch === "arm64" ? "arm64" : "x64"
    const children = new Set<ChildProcess>()
    const folder = mkdtempSync(join(tmpdir(), "hold-"))
    const file = join(folder, "hold")
    writeFileSync(file, holdPrograms[own], { mode: 0o755 })
    try {
      for (const signal of ["SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "SIGUSR1"] as const) {
        const child = spawn(file, [], { stdio: "ignore" })
        await new Promise<void>((resolve, reject) => {
          child.on("spawn", () => resolve())
          child.on("error", reject)
        })
        children.add(child)
        const ended = new Promise<readonly [number | null, string | null]>((resolve) =>
          child.on("exit", (code, by) => resolve([code, by]))
        )
        // It ignores CHLD (bit 16) after it has blocked the other signals.
        await pollStatus(child.pid ?? 0, /^SigIgn:\t[0-9a-f]{11}[13579bdf][0-9a-f]{4}$/m)
        for (const ignored of ["SIGCHLD", "SIGWINCH", "SIGURG", "SIGCONT"] as const) child.kill(ignored)
        assert.strictEqual(child.exitCode, null)
        child.kill(signal)
        assert.deepStrictEqual(await ended, [0, null])
      }
    } finally {
      for (const child of children) child.kill("SIGKILL")
      rmSync(folder, { recursive: true })
    }
  })
})
