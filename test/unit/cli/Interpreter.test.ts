import { execFile } from "node:child_process"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"

const dist = join(import.meta.dirname, "..", "..", "..", "dist")

/** Runs a program of the package as a file that is started by its name. */
const started = (file: string, args: ReadonlyArray<string>) =>
  new Promise<{ code: unknown; stderr: string }>((resolve) => {
    const child = execFile("sh", [join(dist, file), ...args], (error, _, stderr) =>
      resolve({ code: error === null ? 0 : error.code, stderr })
    )
    child.stdin?.end()
  })

describe("the programs, started by their names", () => {
  it("--env-file is theirs, not Node's", async () => {
    const { code, stderr } = await started("task-exec.cjs", ["--env-file", "/none/file", "web", "true"])
    assert.strictEqual(code, 2)
    assert.match(stderr, /^task-exec: --env-file \/none\/file: ENOENT/)
    const other = await started("swarm-exec.cjs", ["cp", "--env-file", "/none/file"])
    assert.match(other.stderr, /^swarm-exec cp: /)
  })
})
