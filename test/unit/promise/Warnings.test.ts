import { spawnSync } from "node:child_process"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, it } from "@effect/vitest"

const entry = join(import.meta.dirname, "..", "..", "..", "src", "promise.ts")

it("a warning on a terminal has no control characters", () => {
  const folder = mkdtempSync(join(tmpdir(), "task-exec-warnings-"))
  try {
    // The warning contains the file's name.
    const config = join(folder, "evil\u001b[31m")
    mkdirSync(config)
    writeFileSync(join(config, "config.json"), "no JSON")
    const { status, stderr } = spawnSync(
      process.execPath,
      [
        "--input-type=module",
        "-e",
        `import { connect } from ${JSON.stringify(entry)}; await (await connect({ image: "registry.example/image:1" })).close()`
      ],
      { encoding: "utf8", env: { PATH: process.env.PATH, HOME: folder, DOCKER_CONFIG: config } }
    )
    assert.strictEqual(status, 0, stderr)
    assert.include(stderr, "cannot read ")
    assert.include(stderr, "evil\\x1b[31m")
    assert.notInclude(stderr, "\u001b")
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})
