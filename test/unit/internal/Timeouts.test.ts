import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"

const root = join(import.meta.dirname, "..", "..", "..")

const sources = ["src", "adapters"].flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts"))
    .map((file) => join(folder, file))
)

describe("timeouts", () => {
  it("have their own errors: Effect's text 'Operation timed out after' does not name the operation", () => {
    const raw = sources.filter((file) => /\b(Effect|Stream)\.timeout\(/.test(readFileSync(join(root, file), "utf8")))
    assert.isAbove(sources.length, 100)
    assert.deepStrictEqual(raw, [])
  })
})
