import { readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { nodeOptions } from "../../../adapters/bundle/NodeOptions.ts"

describe("Dockerfile", () => {
  it("starts Node with the options of the programs", () => {
    const text = readFileSync(join(import.meta.dirname, "../../../Dockerfile"), "utf8")
    const lines = [...text.matchAll(/^(?:ENTRYPOINT|RUN) (\[.*\])$/gm)].map(([, words = ""]) => words)
    assert.deepStrictEqual(
      lines,
      [[], ["--compile", "version"]].map((more) =>
        JSON.stringify(["node", ...nodeOptions, "/opt/task-exec/image-start.cjs", ...more]).replaceAll(",", ", ")
      )
    )
  })
})
