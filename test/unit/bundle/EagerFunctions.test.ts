import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { rolldown } from "rolldown"
import { calledIn } from "../../../adapters/bundle/CalledFunctions.ts"
import { parenthesize } from "../../../adapters/bundle/EagerFunctions.ts"
import { bundled, programs, written } from "../../../rolldown.config.ts"

const root = join(import.meta.dirname, "../../..")

describe("functions that are compiled with the program", () => {
  it("are function expressions at the given positions, in parentheses; other code does not change", () => {
    const code = [
      "const f = (a) => (b) => ({ a, b })",
      "const g = function* () { yield () => 1 }",
      "const other = () => 2",
      "class C { static x = async () => 3; m() { return () => 4 } get p() { return 5 } }",
      "function declared() { return 6 }",
      "const o = { m() { return 7 }, f: () => 8 }",
      "if (o.f()) return"
    ].join("\n")
    const expected = [
      "const f = ((a) => ((b) => ({ a, b })))",
      "const g = (function* () { yield (() => 1) })",
      "const other = () => 2",
      "class C { static x = (async () => 3); m() { return (() => 4) } get p() { return 5 } }",
      "function declared() { return 6 }",
      "const o = { m() { return 7 }, f: (() => 8) }",
      "if (o.f()) return"
    ].join("\n")
    const everywhere = new Set(Array.from(code, (_, at) => at))
    everywhere.delete(code.indexOf("() => 2"))
    assert.strictEqual(parenthesize(code, everywhere), expected)
    assert.strictEqual(parenthesize(code, new Set()), code)
  })

  it("are those that a command in a task calls, and in every build the same ones but for a few", async () => {
    await using bundle = await rolldown({ ...bundled(programs["task-exec"]), cwd: root })
    const [{ code }] = (await bundle.generate(written("task-exec"))).output
    const [first, second] = [await calledIn(code), await calledIn(code)]
    // A run that takes long also calls functions that wait.
    const shared = [...first].filter((start) => second.has(start)).length
    assert.isAbove(shared, 0.95 * Math.max(first.size, second.size))
    // A run calls about 2000 functions.
    assert.isAbove(first.size, 1000)
    assert.isAbove(parenthesize(code, first).length - code.length, 2000)
  })

  it("are not guessed if the program fails or prints something else", async () => {
    const reject = (code: string) =>
      calledIn(code).then(
        () => "it succeeded",
        ({ message }: Error) => message
      )
    assert.match(await reject("console.log('other')"), /printed "other\\n"/)
    assert.match(await reject("throw new Error('broken')"), /broken/)
  })

  it("begin where Node reports a call, also behind characters of more than one byte", async () => {
    const code = `const text = "é→😀"; const called = () => process.stdout.write("done\\n"); const other = () => text; called()`
    const starts = await calledIn(code)
    assert.isTrue(starts.has(code.indexOf("() => process")))
    assert.isFalse(starts.has(code.indexOf("() => text")))
    assert.include(parenthesize(code, starts), `called = (() => process.stdout.write("done\\n"));`)
  })
})
