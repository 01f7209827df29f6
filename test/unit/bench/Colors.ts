/** The colors of a chart. */
import { assert } from "@effect/vitest"

/** The color schemes of pages. */
export const schemes = ["light", "dark"] as const

/** Relative luminance of a color, as WCAG 2 defines it. */
const luminance = (color: string): number => {
  const [red = 0, green = 0, blue = 0] = [1, 3, 5]
    .map((at) => Number.parseInt(color.slice(at, at + 2), 16) / 255)
    .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4))
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue
}

/** The contrast between the color of a selector in a chart's style, and the chart's paper. Fails if either has no color. */
export const contrastOf = (svg: string, scheme: (typeof schemes)[number], selector: string): number => {
  const [, style = ""] = /<style>(.*?)<\/style>/s.exec(svg) ?? []
  const [light = "", dark = ""] = style.split("@media(prefers-color-scheme:dark)")
  const luminanceOf = (one: string): number => {
    const found = new RegExp(`${one}\\{[^}]*?(?:fill|stroke):(#[0-9a-f]{6})`).exec(scheme === "light" ? light : dark)
    return luminance(found?.[1] ?? assert.fail(`${one} has no color`))
  }
  const [darker = 0, lighter = 0] = [luminanceOf(selector), luminanceOf("\\.paper")].toSorted((a, b) => a - b)
  return (lighter + 0.05) / (darker + 0.05)
}
