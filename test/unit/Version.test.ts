import { readFileSync } from "node:fs"
import { assert, it } from "@effect/vitest"
import { version } from "../../src/Version.ts"

it("the version in the code equals the one in package.json", () => {
  const manifest: unknown = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"))
  assert.strictEqual(
    typeof manifest === "object" && manifest !== null && "version" in manifest && manifest.version,
    version
  )
})
