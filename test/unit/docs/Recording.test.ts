import { readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { textOf } from "../../docs/Pages.ts"
import { recordings } from "../../docs/recording/Recordings.ts"
import { framesOf, shortened, type Written } from "../../docs/recording/Screen.ts"
import { svgOf } from "../../docs/recording/Svg.ts"

const size = { columns: 10, rows: 2 }
const at = (millis: number, text: string): Written => ({ at: millis, bytes: new TextEncoder().encode(text) })

/** Text of an SVG, as it is read, without what it is drawn with. */
const wordsOf = (svg: string): string =>
  [...svg.matchAll(/<text[^>]*>([^<]*)<\/text>/g)]
    .map(([, text = ""]) => text.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&"))
    .join("\n")

describe("recordings", () => {
  it("pauses are shortened, and nothing else", () => {
    const times = shortened([at(0, "a"), at(50, "b"), at(9050, "c"), at(9100, "d")], 1000).map((one) => one.at)
    assert.deepStrictEqual(times, [0, 50, 1050, 1100])
  })

  it("the screen is seen as a terminal shows it, with colours, and changes that come together as one", async () => {
    const frames = await framesOf([at(0, "ab"), at(10, "\r\u001b[KX\u001b[1;31mred"), at(500, "\r\nlast")], size)
    assert.deepStrictEqual(frames, [
      {
        at: 10,
        rows: [
          [
            { column: 0, text: "X" },
            { column: 1, text: "red", color: 1, bold: true }
          ],
          []
        ]
      },
      {
        at: 500,
        rows: [
          [
            { column: 0, text: "X" },
            { column: 1, text: "red", color: 1, bold: true }
          ],
          [{ column: 0, text: "last", color: 1, bold: true }]
        ]
      }
    ])
  })

  it("a row that stays is drawn once, and the last picture is there without motion", async () => {
    const svg = svgOf(await framesOf([at(0, "<&>\r\nx"), at(5000, "\ry")], size), size, "A & B")
    assert.strictEqual(wordsOf(svg), "<&>\nx\ny")
    assert.include(svg, "<title>A &amp; B</title>")
    assert.deepStrictEqual(
      [...svg.matchAll(/class="([^"]+)"/g)].map(([, names]) => names),
      ["s last", "s", "s last"]
    )
    assert.include(svg, "@keyframes k1{0%{visibility:hidden}0%{visibility:visible}50%{visibility:hidden}}")
  })

  it.each(recordings.map((recording) => [recording.name, recording] as const))(
    "%s is of its page",
    (name, recording) => {
      assert.include(textOf(recording.page), `](img/${name}.svg)`)
      const words = wordsOf(
        readFileSync(join(import.meta.dirname, "..", "..", "..", "docs", "img", `${name}.svg`), "utf8")
      )
      for (const { keys } of recording.steps) assert.include(words, keys)
    }
  )
})
