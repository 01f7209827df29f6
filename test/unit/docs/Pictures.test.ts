/** The pictures of the pages, drawn by a renderer that knows no CSS animation, and read. */
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { pages, textOf } from "../../docs/Pages.ts"
import { colored, draw, readerOf } from "../../docs/recording/Reader.ts"
import { recordings } from "../../docs/recording/Recordings.ts"
import type { Frame } from "../../docs/recording/Screen.ts"
import { svgOf } from "../../docs/recording/Svg.ts"

const images = join(import.meta.dirname, "../../../docs/img")

/** A terminal with one line of text, from the start. */
const lineOf = (text: string, isBold: boolean): string =>
  svgOf([frameOf(0, text, isBold)], { columns: text.length, rows: 1 }, "")

const frameOf = (at: number, text: string, isBold: boolean): Frame => ({
  at,
  rows: [[{ column: 0, text, ...(isBold ? { bold: true } : {}) }]]
})

const read = readerOf(lineOf)

describe("a picture of a terminal, drawn without animation", () => {
  it("reads as its text, in any color and weight", () => {
    const text = "~/.#@\"Il1O0 |`' xyz%"
    for (const isBold of [false, true]) assert.deepStrictEqual(read(draw(lineOf(text, isBold))), [text])
    const red = svgOf([{ at: 0, rows: [[{ column: 1, text: "red", color: 1 }]] }], { columns: 5, rows: 1 }, "")
    assert.deepStrictEqual(read(draw(red)), [" red"])
  })

  it("has the last frame only", () => {
    const frames = ["first", "second", "third"].map((text, at) => frameOf(at * 1000, text, false))
    assert.deepStrictEqual(read(draw(svgOf(frames, { columns: 10, rows: 1 }, ""))), ["third"])
  })

  it("shows nothing where the SVG leaves it to the animation", () => {
    const svg = lineOf("hidden", false).replace('class="s"', 'class="s" visibility="hidden"')
    assert.deepStrictEqual(read(draw(svg)), [""])
  })
})

describe("the recordings in docs/img", () => {
  const files = readdirSync(images).filter((file) => readFileSync(join(images, file), "utf8").includes("@keyframes"))

  it("are those of Recordings.ts", () => {
    assert.sameMembers(
      files,
      recordings.map(({ name }) => `${name}.svg`)
    )
  })

  it.each(readdirSync(images))("%s is on a page", (file) => {
    assert.isTrue(pages.some((page) => textOf(page).includes(`img/${file}`)))
  })

  it.each(recordings.map((recording) => [recording.name, recording] as const))(
    "%s shows what it claims in its last frame, in color, and takes less than 15 s",
    (name, { shows }) => {
      const svg = readFileSync(join(images, `${name}.svg`), "utf8")
      const image = draw(svg)
      const rows = read(image)
      const missing = shows.filter((pattern) => !rows.some((row) => pattern.test(row)))
      assert.deepStrictEqual(missing, [], `the picture shows:\n${rows.join("\n")}`)
      assert.isAbove(colored(image), 0.001)
      const seconds = [...svg.matchAll(/animation:([\d.]+)s/g)].map(([, text]) => Number(text))
      assert.lengthOf(seconds, 1)
      assert.isBelow(Math.max(...seconds), 15)
      assert.notMatch(svg, /<script|href|url\(|@import| on\w+=/)
    }
  )
})
