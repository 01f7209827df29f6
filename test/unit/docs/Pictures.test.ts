/** The pictures of the pages, rendered without CSS animation, and read. */
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { pages, textOf } from "../../docs/Pages.ts"
import { colored, draw, type Image, readerOf } from "../../docs/recording/Reader.ts"
import { recordings } from "../../docs/recording/Recordings.ts"
import type { Frame } from "../../docs/recording/Screen.ts"
import { svgOf } from "../../docs/recording/Svg.ts"

const images = join(import.meta.dirname, "../../../docs/img")

/** A terminal with one line of text from the start. */
const lineOf = (text: string, isBold: boolean): string =>
  svgOf([frameOf(0, text, isBold)], { columns: text.length, rows: 1 }, "")

const frameOf = (at: number, text: string, isBold: boolean): Frame => ({
  at,
  rows: [[{ column: 0, text, ...(isBold ? { bold: true } : {}) }]]
})

/** The SVG at this time of its CSS animation. */
const stillOf = (svg: string, seconds: number): string => {
  const length = Number(/animation:([\d.]+)s/.exec(svg)?.[1])
  const percent = (seconds / length) * 100
  return svg.replace(/<g id="s(\d+)" class="s"(?: visibility="hidden")?>/g, (_, id: string) => {
    const [, rule = ""] = new RegExp(`@keyframes k${id}\\{(.*?\\})\\}`).exec(svg) ?? []
    const steps = [...rule.matchAll(/([\d.]+)%\{visibility:(\w+)\}/g)]
    const [, , state = "hidden"] = steps.findLast(([, at]) => Number(at) <= percent) ?? []
    return `<g visibility="${state}">`
  })
}

const read = readerOf(lineOf)

describe("a picture of a terminal, drawn without animation", () => {
  it("shows its text, in any color and weight", () => {
    const text = "~/.#@\"Il1O0 |`' xyz%"
    for (const isBold of [false, true]) assert.deepStrictEqual(read(draw(lineOf(text, isBold))), [text])
    const red = svgOf([{ at: 0, rows: [[{ column: 1, text: "red", color: 1 }]] }], { columns: 5, rows: 1 }, "")
    assert.deepStrictEqual(read(draw(red)), [" red"])
  })

  it("shows only the last frame", () => {
    const frames = ["first", "second", "third"].map((text, at) => frameOf(at * 1000, text, false))
    assert.deepStrictEqual(read(draw(svgOf(frames, { columns: 10, rows: 1 }, ""))), ["third"])
  })

  it("shows the frames one after the other with animation", () => {
    const texts = ["$ ", "$ ls", "file"]
    const svg = svgOf(
      texts.map((text, at) => frameOf(at * 1000, text, false)),
      { columns: 10, rows: 1 },
      ""
    )
    const shown = [0, 0.5, 1.5, 2.5, 4.9].map((seconds) => read(draw(stillOf(svg, seconds)))[0])
    assert.deepStrictEqual(shown, ["$", "$", "$ ls", "file", "file"])
  })

  it("shows nothing that only the animation shows", () => {
    const svg = lineOf("hidden", false).replace('class="s"', 'class="s" visibility="hidden"')
    assert.deepStrictEqual(read(draw(svg)), [""])
  })
})

describe("the recordings in docs/img", () => {
  const files = readdirSync(images).filter((file) => readFileSync(join(images, file), "utf8").includes("@keyframes"))

  it("are generated from Recordings.ts", () => {
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
    (name, { shows, steps }) => {
      const svg = readFileSync(join(images, `${name}.svg`), "utf8")
      const image = draw(svg)
      const rows = read(image)
      const missing = shows.filter((pattern) => !rows.some((row) => pattern.test(row)))
      assert.deepStrictEqual(missing, [], `the picture shows:\n${rows.join("\n")}`)
      assert.isEmpty(rows.filter((row) => row.includes("\ufffd")))
      // It starts with an empty prompt, and its end is also its still picture.
      const [first = "", ...below] = read(draw(stillOf(svg, 0.1)))
      assert.match(first, /^root@node-1:~#$/)
      assert.isTrue(below.every((row) => row === ""))
      for (const { keys } of steps) assert.isTrue(rows.some((row) => row.endsWith(`# ${keys}`)))
      assert.isAbove(colored(image), 0.001)
      const seconds = [...svg.matchAll(/animation:([\d.]+)s/g)].map(([, text]) => Number(text))
      assert.lengthOf(seconds, 1)
      assert.isBelow(Math.max(...seconds), 15)
      assert.notMatch(svg, /<script|href|url\(|@import| on\w+=/)
    }
  )
})

/** The SVG with a dark color scheme. */
const darkOf = (svg: string): string =>
  svg.replace(/@media\s*\(prefers-color-scheme:\s*dark\)\s*\{((?:[^{}]*\{[^{}]*\})*)\s*\}/g, "$1")

/** The number of pixels that differ clearly. */
const differences = ({ pixels }: Image, other: Image): number => {
  let count = 0
  for (let at = 0; at < pixels.length; at += 4) {
    let by = 0
    for (let channel = at; channel < at + 3; channel++)
      by = Math.max(by, Math.abs((pixels[channel] ?? 0) - (other.pixels[channel] ?? 0)))
    if (by > 60) count++
  }
  return count
}

describe("a drawing in docs/img", () => {
  const drawings = readdirSync(images)
    .map((file) => [file, readFileSync(join(images, file), "utf8")] as const)
    .filter(([, svg]) => !svg.includes("@keyframes"))

  it.each(drawings)("%s shows each of its texts, in a light and a dark color scheme", (_, svg) => {
    for (const scheme of new Set([svg, darkOf(svg)])) {
      const image = draw(scheme)
      const texts = [...scheme.matchAll(/<text[^>]*>(.*?)<\/text>/gs)]
      assert.isNotEmpty(texts)
      for (const [element, text = ""] of texts) {
        const letters = text.replaceAll(/<[^>]*>|\s|&\w+;/g, "").length
        assert.isAbove(differences(image, draw(scheme.replace(element, ""))), 8 * letters, text)
      }
    }
  })
})
