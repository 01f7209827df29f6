import { spawnSync } from "node:child_process"
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, it } from "@effect/vitest"
import { blocksOf, pages } from "../../docs/Pages.ts"

const root = join(import.meta.dirname, "..", "..", "..")

const examples = pages.flatMap(blocksOf).filter(({ language }) => language === "ts")

// Compiles against the build, as example/ does.
it("the examples of the documentation compile", () => {
  assert.isAbove(examples.length, 5)
  const folder = mkdtempSync(join(tmpdir(), "task-exec-examples-"))
  try {
    symlinkSync(join(root, "node_modules"), join(folder, "node_modules"))
    for (const { line, page, text } of examples) {
      writeFileSync(join(folder, `${page.replace(/\W/g, "_")}_${line}.ts`), `${text}\nexport {}\n`)
    }
    writeFileSync(join(folder, "package.json"), JSON.stringify({ type: "module" }))
    const entries = {
      "task-exec": "index",
      "task-exec/filesystem": "filesystem",
      "task-exec/process": "process",
      "task-exec/promise": "promise",
      "task-exec/testing": "testing"
    }
    writeFileSync(
      join(folder, "tsconfig.json"),
      JSON.stringify({
        extends: join(root, "tsconfig.json"),
        compilerOptions: {
          noUnusedLocals: false,
          typeRoots: [join(root, "node_modules", "@types")],
          paths: Object.fromEntries(
            Object.entries(entries).map(([name, file]) => [name, [join(root, "dist", "lib", `${file}.d.ts`)]])
          )
        },
        include: ["*.ts"]
      })
    )
    const { status, stdout } = spawnSync(join(root, "node_modules", ".bin", "tsc"), ["-p", folder], {
      encoding: "utf8"
    })
    assert.deepStrictEqual([status, stdout], [0, ""])
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}, 120_000)
