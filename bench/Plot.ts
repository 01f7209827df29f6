/** The ratios as one SVG: no script, nothing fetched, to be read on light and on dark pages. */
import { ratio } from "./Figures.ts"
import type { Results } from "./Results.ts"
import type { Summary } from "./Statistics.ts"

/** Pixels. */
const width = 970
const line = 20
const plot = { left: 490, right: 830 }
const top = 56

/** A line of the plot: a title, or a ratio with its name. */
type Item = { readonly title: string } | { readonly name: string; readonly ratio: Summary }

const itemsOf = ({ comparisons }: Results): ReadonlyArray<Item> =>
  comparisons.flatMap(({ rows, title }) => {
    const shown = rows.flatMap(
      ({ name, ratio: of }): ReadonlyArray<Item> => (of === undefined || of.lower <= 0 ? [] : [{ name, ratio: of }])
    )
    return shown.length === 0 ? [] : [{ title }, ...shown]
  })

/** The powers of ten around the values, of which 1 is one. */
export const decades = (values: ReadonlyArray<number>): readonly [from: number, to: number] => [
  Math.min(-1, ...values.map((value) => Math.floor(Math.log10(value)))),
  Math.max(1, ...values.map((value) => Math.ceil(Math.log10(value))))
]

const number = (value: number): string => String(Math.round(value * 10) / 10)

/** Text as an element's content. */
export const escape = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;")

const style = `
text{font:12px system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;fill:#1f2328}
.paper{fill:#ffffff}
.title{font-weight:600}
.axis,.note{fill:#59636e}
.grid{stroke:#d1d9e0}
.even{stroke:#59636e;stroke-dasharray:3 3}
.less{fill:#0969da;stroke:#0969da}
.more{fill:#bc4c00;stroke:#bc4c00}
line.less,line.more{stroke-width:2}
@media(prefers-color-scheme:dark){
text{fill:#f0f6fc}
.paper{fill:#0d1117}
.axis,.note{fill:#9198a1}
.grid{stroke:#3d444d}
.even{stroke:#9198a1}
.less{fill:#4493f8;stroke:#4493f8}
.more{fill:#f0883e;stroke:#f0883e}
}
`

/** The file's text. */
export const plotOf = (results: Results): string => {
  const items = itemsOf(results)
  const [from, to] = decades(items.flatMap((item) => ("ratio" in item ? [item.ratio.lower, item.ratio.upper] : [])))
  const place = (value: number) =>
    number(plot.left + ((Math.log10(value) - from) / (to - from)) * (plot.right - plot.left))
  const height = top + items.length * line + 12
  const grid = Array.from({ length: to - from + 1 }, (_, step) => {
    const value = 10 ** (from + step)
    const x = place(value)
    const kind = value === 1 ? "even" : "grid"
    return `<line class="${kind}" x1="${x}" x2="${x}" y1="${top - 8}" y2="${height - 8}"/>
<text class="axis" x="${x}" y="${top - 14}" text-anchor="middle">${value < 1 ? value.toFixed(-(from + step)) : value}</text>`
  })
  const drawn = items.map((item, at) => {
    const y = top + at * line
    if ("title" in item) return `<text class="title" x="12" y="${y + 14}">${escape(item.title)}</text>`
    const { lower, median, upper } = item.ratio
    const kind = median <= 1 ? "less" : "more"
    return `<text x="28" y="${y + 14}">${escape(item.name)}</text>
<line class="${kind}" x1="${place(lower)}" x2="${place(upper)}" y1="${y + 10}" y2="${y + 10}"/>
<circle class="${kind}" cx="${place(median)}" cy="${y + 10}" r="4"/>
<text x="${plot.right + 16}" y="${y + 14}">${escape(ratio(item.ratio))}</text>`
  })
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">
<title>How many times as much task-exec takes as other ways do</title>
<style>${style}</style>
<rect class="paper" width="100%" height="100%" rx="8"/>
<text class="note" x="12" y="20">Task-exec beside others: how many times as much it takes, median and quartiles. Left of 1 it takes less.</text>
${[...grid, ...drawn].join("\n")}
</svg>
`
}
