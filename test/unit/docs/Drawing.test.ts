import { assert, it } from "@effect/vitest"
import { textOf } from "../../docs/Pages.ts"

it("the drawing of the architecture differs only in colors between light and dark", () => {
  const [light = "", dark = ""] = ["light", "dark"].map((theme) => textOf(`docs/img/architecture-${theme}.svg`))
  const withoutColors = (svg: string) => svg.replace(/#[0-9a-f]{6}/g, "COLOR")
  assert.notStrictEqual(light, dark)
  assert.strictEqual(withoutColors(light), withoutColors(dark))
})
