import { readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { declarationsOf } from "../../../adapters/bundle/Declarations.ts"
import { type EagerNames, moduleName, parenthesize } from "../../../adapters/bundle/EagerFunctions.ts"
import eager from "../../../adapters/bundle/eager.json" with { type: "json" }

const root = join(import.meta.dirname, "../../..")

describe("functions that are compiled with the program", () => {
  it("are those of the listed declarations, in parentheses; other code does not change", () => {
    const code = [
      "export const f = (a: number) => (b: number) => ({ a, b })",
      "const g = function* () { yield () => 1 }",
      "const other = () => 2",
      "class C { static x = async () => 3; m() { return () => 4 } get p() { return 5 } }",
      "M.prototype.dial = function (x) { return x }",
      "export default { m() { return 6 }, f: () => 7 }"
    ].join("\n")
    const names = ["f", "g", "C", "M.prototype.dial"]
    const expected = [
      "export const f = ((a: number) => ((b: number) => ({ a, b })))",
      "const g = (function* () { yield (() => 1) })",
      "const other = () => 2",
      "class C { static x = (async () => 3); m() { return (() => 4) } get p() { return 5 } }",
      "M.prototype.dial = (function (x) { return x })",
      "export default { m() { return 6 }, f: () => 7 }"
    ].join("\n")
    assert.strictEqual(parenthesize(code, "some.ts", names), expected)
  })

  it("exist: a missing name was renamed or removed (npm run eager)", () => {
    const all: EagerNames = eager
    const gone = Object.entries(all).flatMap(([module, names]) => {
      const found = new Set(declarationsOf(readFileSync(join(root, module), "utf8"), module).map(({ name }) => name))
      return names.filter((name) => !found.has(name)).map((name) => `${module}: ${name}`)
    })
    assert.deepStrictEqual(gone, [])
    assert.isAbove(Object.keys(all).length, 100)
  })

  it("are listed by the module's path in the project", () => {
    assert.strictEqual(moduleName(join(root, "src/TaskExec.ts")), "src/TaskExec.ts")
  })
})
