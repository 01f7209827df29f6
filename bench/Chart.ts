/** The chart of the page: five bars as one SVG, for light and dark pages, without scripts or links. */
import { figure } from "./Figures.ts"
import { type Bar, barsOf } from "./Headline.ts"
import type { Results } from "./Results.ts"

/** Pixels. */
const width = 720
const bars = { left: 236, right: 630, top: 72, height: 22, step: 34 }

/** Text as an element's content. */
export const escape = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;")

const style = `
text{font-family:system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif;font-size:13px;fill:#1f2328}
.paper{fill:#ffffff;stroke:#d1d9e0}
.title{font-size:15px;font-weight:600}
.note{fill:#59636e;font-size:12px}
.ours{fill:#0969da}
.other{fill:#818b98}
@media(prefers-color-scheme:dark){
text{fill:#f0f6fc}
.paper{fill:#0d1117;stroke:#3d444d}
.note{fill:#9198a1}
.ours{fill:#4493f8}
.other{fill:#656c76}
}
`

/** The title of the chart, for screen readers. */
const described = (all: ReadonlyArray<Bar>): string =>
  `Time of one command on another node: ${all.map(({ label, row }) => `${label} ${figure(row.summary.median, "seconds")}`).join(", ")}`

/** The text of the SVG file. */
export const chartOf = (results: Results): string => {
  const all = barsOf(results)
  const longest = Math.max(...all.map(({ row }) => row.summary.median))
  const height = bars.top + all.length * bars.step + 8
  const drawn = all.map(({ isOurs, label, row }, at) => {
    const { median } = row.summary
    const y = bars.top + at * bars.step
    const length = Math.max(1, Math.round((median / longest) * (bars.right - bars.left)))
    return `<text x="${bars.left - 12}" y="${y + 16}" text-anchor="end">${escape(label)}</text>
<rect class="${isOurs ? "ours" : "other"}" x="${bars.left}" y="${y}" width="${length}" height="${bars.height}" rx="3"/>
<text x="${bars.left + length + 8}" y="${y + 16}">${figure(median, "seconds")}</text>`
  })
  const { engine } = results.machine
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">
<title>${escape(described(all))}</title>
<style>${style}</style>
<rect class="paper" x="0.5" y="0.5" width="${width - 1}" height="${height - 1}" rx="8"/>
<text class="title" x="20" y="30">One command in a container on another node</text>
<text class="note" x="20" y="50">Whole command, median of ${all[0]?.row.samples.length ?? 0} rounds, engine ${escape(engine)}. Shorter is better.</text>
${drawn.join("\n")}
</svg>
`
}
