/** The chart of the page: five bars. */
import { figure } from "./Figures.ts"
import { type Bar, barsOf } from "./Headline.ts"
import type { Results } from "./Results.ts"
import { escape, svg } from "./Svg.ts"

/** Pixels. */
const bars = { left: 236, right: 630, top: 72, height: 22, step: 34 }

const style = {
  light: `.ours{fill:#0969da}
.other{fill:#818b98}`,
  dark: `.ours{fill:#4493f8}
.other{fill:#656c76}`
}

const described = (all: ReadonlyArray<Bar>): string =>
  `Time of one command on another node: ${all.map(({ label, row }) => `${label} ${figure(row.summary.median, "seconds")}`).join(", ")}`

/** The text of the SVG file. */
export const chartOf = (results: Results): string => {
  const all = barsOf(results)
  const longest = Math.max(...all.map(({ row }) => row.summary.median))
  const drawn = all.map(({ isOurs, label, row }, at) => {
    const { median } = row.summary
    const y = bars.top + at * bars.step
    const length = Math.max(1, Math.round((median / longest) * (bars.right - bars.left)))
    return `<text x="${bars.left - 12}" y="${y + 16}" text-anchor="end">${escape(label)}</text>
<rect class="${isOurs ? "ours" : "other"}" x="${bars.left}" y="${y}" width="${length}" height="${bars.height}" rx="3"/>
<text x="${bars.left + length + 8}" y="${y + 16}">${figure(median, "seconds")}</text>`
  })
  const rounds = all[0]?.row.samples.length ?? 0
  return svg(
    {
      height: bars.top + all.length * bars.step + 8,
      description: described(all),
      title: "One command in a container on another node",
      note: `Whole command, median of ${rounds} rounds, engine ${results.machine.engine}. Shorter is better.`,
      style
    },
    drawn
  )
}
