/** The chart of a soak: memory and numbers of objects over time, in panels with one time axis. */
import { shortVersion } from "./Figures.ts"
import { commandsOf, groupsOf, type Series, type SeriesGroup, type Soak } from "./Soak.ts"
import { escape, svg, width } from "./Svg.ts"

/** Pixels. */
const panel = { left: 76, right: width - 24, top: 110, height: 110, step: 190 }

/** A color and a dash pattern for each series of a panel, so that the lines differ without colors, too. */
const lines = [
  { light: "#0969da", dark: "#4493f8", dash: "none" },
  { light: "#bc4c00", dark: "#f0883e", dash: "7 3" },
  { light: "#8250df", dark: "#a371f7", dash: "2 3" },
  { light: "#59636e", dark: "#9198a1", dash: "10 3 2 3" }
]

const style = {
  light: `.axis{stroke:#d1d9e0;stroke-width:1}
.line{fill:none;stroke-width:1.8}
${lines.map(({ dash, light }, at) => `.l${at}{stroke:${light};stroke-dasharray:${dash}}`).join("\n")}`,
  dark: `.axis{stroke:#3d444d}
${lines.map(({ dark }, at) => `.l${at}{stroke:${dark}}`).join("\n")}`
}

/** The smallest of 1, 2, 2.5 and 5 times a power of ten, doubled, that is not smaller: the end of an axis, whose middle is a round number, too. */
export const axisEnd = (value: number): number => {
  const power = 10 ** Math.floor(Math.log10(Math.max(value, 1) / 2))
  const step = [1, 2, 2.5, 5, 10].find((one) => 2 * one * power >= value) ?? 10
  return 2 * step * power
}

const tick = (value: number, unit: SeriesGroup["unit"]): string =>
  unit === "bytes" ? `${value / 1e6} MB` : String(value)

/** Where a panel draws. */
interface Scale {
  readonly x: (seconds: number) => number
  readonly y: (value: number) => number
}

const rounded = (pixels: number): string => String(Math.round(pixels * 10) / 10)

const lineOf = ({ points }: Series, at: number, { x, y }: Scale): string =>
  `<polyline class="line l${at}" points="${points.map(({ seconds, value }) => `${rounded(x(seconds))},${rounded(y(value))}`).join(" ")}"/>`

/** The names of the series with a piece of their lines, from left to right. The widths of the names are estimated. */
const legend = (series: ReadonlyArray<Series>, y: number): string => {
  let x = panel.left
  const entries = series.map(({ name }, at) => {
    const entry = `<path class="line l${at}" d="M${x} ${y - 4}h28"/><text class="note" x="${x + 34}" y="${y}">${escape(name)}</text>`
    x += 34 + 7 * name.length + 18
    return entry
  })
  return entries.join("\n")
}

const drawPanel = ({ series, title, unit }: SeriesGroup, at: number, last: number): string => {
  const top = panel.top + at * panel.step
  const bottom = top + panel.height
  const end = axisEnd(Math.max(...series.flatMap(({ points }) => points.map(({ value }) => value))))
  const scale: Scale = {
    x: (seconds) => panel.left + (seconds / last) * (panel.right - panel.left),
    y: (value) => bottom - (value / end) * panel.height
  }
  const grid = [0, end / 2, end].map((value) => {
    const y = rounded(scale.y(value))
    return `<path class="axis" d="M${panel.left} ${y}H${panel.right}"/><text class="note" x="${panel.left - 8}" y="${Number(y) + 4}" text-anchor="end">${tick(value, unit)}</text>`
  })
  const minutes = [0, last / 2, last].map(
    (seconds, which) =>
      `<text class="note" x="${rounded(scale.x(seconds))}" y="${bottom + 18}" text-anchor="${["start", "middle", "end"][which]}">${Math.round(seconds / 6) / 10} min</text>`
  )
  return [
    `<text x="20" y="${top - 26}">${escape(title)}</text>`,
    legend(series, top - 8),
    ...grid,
    ...minutes,
    ...series.map((one, which) => lineOf(one, which, scale))
  ].join("\n")
}

/** The text of the SVG file. */
export const soakChart = (soak: Soak): string => {
  const groups = groupsOf(soak)
  const last = Math.max(1, soak.samples.at(-1)?.seconds ?? 1)
  const commands = commandsOf(soak)
  return svg(
    {
      height: panel.top + groups.length * panel.step - 36,
      description: `Memory and number of objects during ${commands} commands in ${Math.round(last / 60)} minutes`,
      title: `${commands} commands, at most ${soak.atOnce} at the same time`,
      note: `3 nodes with engine ${shortVersion(soak)}. Samples over time, from before the first command to after the last one.`,
      style
    },
    groups.map((group, at) => drawPanel(group, at, last))
  )
}
