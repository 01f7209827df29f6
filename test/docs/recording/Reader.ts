/**
 * Reads the text of a picture of a terminal: renders the SVG without CSS animation, then compares each character's pixels with those of
 * every character of the same font.
 */
import { createRequire } from "node:module"
import { dirname, join } from "node:path"
import { Resvg } from "@resvg/resvg-js"
import { character, margin } from "./Svg.ts"

const fonts = join(dirname(createRequire(import.meta.url).resolve("dejavu-fonts-ttf/package.json")), "ttf")

/** The font of the pictures, from npm: the machine's own fonts are not used. */
const font = {
  fontFiles: ["DejaVuSansMono.ttf", "DejaVuSansMono-Bold.ttf", "DejaVuSans.ttf", "DejaVuSans-Bold.ttf"].map((file) =>
    join(fonts, file)
  ),
  loadSystemFonts: false,
  defaultFontFamily: "DejaVu Sans",
  sansSerifFamily: "DejaVu Sans",
  monospaceFamily: "DejaVu Sans Mono"
}

/** An image: four bytes for each pixel, red first. */
export interface Image {
  readonly width: number
  readonly height: number
  readonly pixels: Uint8Array
  /** The image as a PNG file, to look at. */
  readonly png: () => Uint8Array
}

/** Pixels in the image for one in the SVG. */
const zoom = 2

/** Renders an SVG as a browser does without CSS animation. */
export const draw = (svg: string): Image => {
  const image = new Resvg(svg, { font, fitTo: { mode: "zoom", value: zoom } }).render()
  const { height, width } = image
  return { width, height, pixels: new Uint8Array(image.pixels), png: () => image.asPng() }
}

/** The intensity of each pixel in a character's cell, from 0 (background) to 1, whatever its color. */
type Cell = ReadonlyArray<number>

const cell = { width: character.width * zoom, height: character.height * zoom }

/** The cell of a character. `undefined` if it has only the background. */
const cellAt = ({ pixels, width }: Image, row: number, column: number): Cell | undefined => {
  const left = (margin + column * character.width) * zoom
  const top = (margin + row * character.height) * zoom
  const light = Array.from({ length: cell.width * cell.height }, (_, at) => {
    const pixel = ((top + Math.floor(at / cell.width)) * width + left + (at % cell.width)) * 4
    return (pixels[pixel] ?? 0) + (pixels[pixel + 1] ?? 0) + (pixels[pixel + 2] ?? 0)
  })
  const darkest = Math.min(...light)
  const range = Math.max(...light) - darkest
  return range < 60 ? undefined : light.map((value) => (value - darkest) / range)
}

const printable = Array.from({ length: 94 }, (_, at) => String.fromCharCode(33 + at))

const difference = (one: Cell, other: Cell): number =>
  one.reduce((sum, value, at) => sum + Math.abs(value - (other[at] ?? 0)), 0) / one.length

/**
 * Returns a reader of terminals that `drawTerminal` draws: the rows of an image, without trailing spaces. An unknown character reads as
 * `\ufffd`.
 */
export const readerOf = (drawTerminal: (text: string, isBold: boolean) => string) => {
  const known = [false, true].flatMap((isBold) => {
    const image = draw(drawTerminal(printable.join(""), isBold))
    return printable.flatMap((text, column) => {
      const pixels = cellAt(image, 0, column)
      return pixels === undefined ? [] : [{ text, pixels }]
    })
  })
  const nearest = (pixels: Cell): string => {
    const [best] = known
      .map((one) => ({ text: one.text, by: difference(one.pixels, pixels) }))
      .toSorted((a, b) => a.by - b.by)
    return best === undefined || best.by > 0.05 ? "\ufffd" : best.text
  }
  return (image: Image): ReadonlyArray<string> => {
    const columns = Math.floor((image.width / zoom - 2 * margin) / character.width)
    const rows = Math.floor((image.height / zoom - 2 * margin) / character.height)
    return Array.from({ length: rows }, (_, row) =>
      Array.from({ length: columns }, (_, column) => {
        const pixels = cellAt(image, row, column)
        return pixels === undefined ? " " : nearest(pixels)
      })
        .join("")
        .trimEnd()
    )
  }
}

/** The share of an image's pixels in color: neither gray nor the terminal's bluish tint. */
export const colored = ({ pixels }: Image): number => {
  let count = 0
  for (let at = 0; at < pixels.length; at += 4) {
    const [red = 0, green = 0, blue = 0] = [pixels[at], pixels[at + 1], pixels[at + 2]]
    if (Math.max(red, green, blue) - Math.min(red, green, blue) > 60) count++
  }
  return count / (pixels.length / 4)
}
