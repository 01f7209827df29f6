import { execFile } from "node:child_process"
import { existsSync } from "node:fs"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"

const mainFile = join(import.meta.dirname, "../../../adapters/package/main.ts")

/** Runs `npm run package --` with these arguments. */
const pack = (...argv: ReadonlyArray<string>) =>
  new Promise<{ readonly code: unknown; readonly stderr: string }>((resolve) => {
    execFile(process.execPath, [mainFile, ...argv], (error, _, stderr) =>
      resolve({ code: error === null ? 0 : error.code, stderr })
    )
  })

describe("npm run package", () => {
  it("exits with 2 and one line for wrong usage", async () => {
    const cases: ReadonlyArray<readonly [ReadonlyArray<string>, RegExp]> = [
      [["--arch", "mips"], /^error: invalid architecture "mips": expected x64 or arm64\. See .*\n$/],
      [["--arch", "x64", "--node", process.execPath], /^error: --node and --arch cannot be combined\. See .*\n$/]
    ]
    for (const [argv, message] of cases) {
      const { code, stderr } = await pack(...argv)
      assert.match(stderr, message)
      assert.strictEqual(code, 2)
    }
  })

  it("exits with 1 and one line without a Node, and writes no checksums", async () => {
    const folder = await mkdtemp(join(tmpdir(), "task-exec-no-package-"))
    try {
      const out = join(folder, "out")
      const { code, stderr } = await pack("--node", "/bin/sh", "--out", out)
      assert.match(stderr, /^error: cannot prepare task-exec with \/bin\/sh: .*\n$/)
      assert.strictEqual(code, 1)
      assert.isFalse(existsSync(join(out, "SHA256SUMS")))
    } finally {
      await rm(folder, { recursive: true })
    }
  })
})
