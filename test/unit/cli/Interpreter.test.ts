import { execFile } from "node:child_process"
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"

const dist = join(import.meta.dirname, "..", "..", "..", "dist")

/** Runs a program of the package as an executable file. */
const started = (file: string, args: ReadonlyArray<string>, nodeOptions = "") =>
  new Promise<{ code: unknown; stderr: string }>((resolve) => {
    const env = { ...process.env, NODE_OPTIONS: nodeOptions }
    const child = execFile(join(dist, file), args, { env }, (error, _, stderr) =>
      resolve({ code: error === null ? 0 : error.code, stderr })
    )
    child.stdin?.end()
  })

describe("programs that are started by their names", () => {
  it("--env-file belongs to the program, not to Node", async () => {
    const { code, stderr } = await started("task-exec.cjs", ["--env-file", "/none/file", "web", "true"])
    assert.strictEqual(code, 2)
    assert.match(stderr, /^task-exec: cannot read --env-file \/none\/file: no such file/)
    const other = await started("task-exec.cjs", ["cp", "--env-file", "/none/file"])
    assert.match(other.stderr, /^task-exec cp: /)
  })

  it("an unsupported Node prints an error, and runs nothing", async () => {
    const folder = await mkdtemp(join(tmpdir(), "task-exec-older-node-"))
    try {
      const older = join(folder, "older.cjs")
      const run = async (version: string) => {
        const versions = `{ ...process.versions, node: "${version}" }`
        const change = `Object.defineProperties(process, { version: { value: "v${version}" }, versions: { value: ${versions} } })`
        await writeFile(older, change)
        return await started("task-exec.cjs", ["--version"], `--require ${older}`)
      }
      const expected = (version: string) => ({
        code: 125,
        stderr: `task-exec: needs Node 22.19 or newer, and this is v${version}\n`
      })
      for (const version of ["22.18.9", "20.20.2"]) assert.deepStrictEqual(await run(version), expected(version))
      for (const version of ["22.19.0", "100.1.0"]) {
        assert.deepStrictEqual(await run(version), { code: 0, stderr: "" })
      }
    } finally {
      await rm(folder, { recursive: true })
    }
  })
})
