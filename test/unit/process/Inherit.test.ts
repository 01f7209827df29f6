import { spawnSync } from "node:child_process"
import { join } from "node:path"
import { assert, it } from "@effect/vitest"

const src = join(import.meta.dirname, "../../../src")

it("an inherited output is that of the caller", () => {
  const program = `
    import * as Effect from "effect/Effect"
    import * as Layer from "effect/Layer"
    import * as ChildProcess from "effect/process/ChildProcess"
    import { layer } from ${JSON.stringify(join(src, "process.ts"))}
    import { layerTest } from ${JSON.stringify(join(src, "testing.ts"))}
    const web = layerTest({ tasks: ["web.1"], script: () => ({ stdout: "out", stderr: "err" }) })
    const options = { stdin: "ignore", stdout: "inherit", stderr: "inherit" }
    ChildProcess.make("a", [], options).pipe(
      Effect.flatMap(({ exitCode }) => exitCode),
      Effect.scoped,
      Effect.provide(layer({ target: "web.1" }).pipe(Layer.provide(web))),
      Effect.runPromise
    )`
  const { status, stderr, stdout } = spawnSync(process.execPath, ["--input-type=module", "-e", program], {
    cwd: import.meta.dirname,
    encoding: "utf8"
  })
  assert.deepStrictEqual([stdout, stderr, status], ["out", "err", 0])
})
