import { assert, describe, it } from "@effect/vitest"
import { fitted, framesOf, shortened, type Written } from "../../docs/recording/Screen.ts"
import { svgOf } from "../../docs/recording/Svg.ts"

const size = { columns: 10, rows: 2 }
const at = (millis: number, text: string): Written => ({ at: millis, bytes: new TextEncoder().encode(text) })

/** The content of an SVG's text elements. */
const wordsOf = (svg: string): string =>
  [...svg.matchAll(/<text[^>]*>([^<]*)<\/text>/g)]
    .map(([, text = ""]) => text.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&"))
    .join("\n")

describe("recordings", () => {
  it("have shorter pauses than the session, and no other change", () => {
    const times = shortened([at(0, "a"), at(50, "b"), at(9050, "c"), at(9100, "d")], 1000).map((one) => one.at)
    assert.deepStrictEqual(times, [0, 50, 1050, 1100])
  })

  it("a long recording loses its longest pauses first", () => {
    const written = [at(0, "a"), at(50, "b"), at(2050, "c"), at(2450, "d")]
    const times = fitted(written, 900).map((one) => one.at)
    assert.deepStrictEqual([times[1], (times[3] ?? 0) <= 900, (times[3] ?? 0) > 800], [50, true, true])
    assert.deepStrictEqual(
      fitted(written, 5000).map((one) => one.at),
      [0, 50, 1050, 1450]
    )
    assert.throws(() => fitted([at(0, "a"), at(1000, "b")], 5), /longer than 5 ms/)
  })

  it("a frame is the screen of a terminal, in color; simultaneous changes are one frame", async () => {
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

  it("an unchanged row is drawn once, and only the last frame is visible without animation", async () => {
    const svg = svgOf(await framesOf([at(0, "<&>\r\nx"), at(5000, "\ry")], size), size, "A & B")
    assert.strictEqual(wordsOf(svg), "<&>\nx\ny")
    assert.include(svg, "<title>A &amp; B</title>")
    assert.deepStrictEqual(
      [...svg.matchAll(/<g [^>]*class="s"([^>]*)>/g)].map(([, rest]) => rest),
      ["", ' visibility="hidden"', ""]
    )
    assert.include(svg, "@keyframes k1{0%{visibility:hidden}0%{visibility:visible}62.5%{visibility:hidden}}")
  })
})
