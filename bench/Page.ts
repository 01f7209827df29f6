/** The figures on their page of the documentation: a table between two comments. */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import type { Comparison, Row } from "./Comparison.ts"
import { circumstances, cpu, figure, quartiles, rate, ratio } from "./Figures.ts"
import { plotOf } from "./Plot.ts"
import type { Results } from "./Results.ts"

/** The page, in the project's folder, and the plot that it shows. */
export const pageFile = "docs/performance.md"
export const plotFile = "docs/img/bench.svg"

const begin = "<!-- Made by `npm run bench` of bench/results.json: -->"
const end = "<!-- That was made. -->"

const escaped = (text: string): string => text.replace(/[|\\<>*_`]/g, "\\$&")

const line = (cells: ReadonlyArray<string>): string => `| ${cells.join(" | ")} |`

const rowOf = (row: Row, at: number, { moved, title, unit }: Comparison): string => {
  const speed = rate(row, moved)
  const median = `${figure(row.summary.median, unit)}${speed === "" ? "" : `, ${speed}`}`
  return line([
    at === 0 ? `**${escaped(title)}**` : "",
    escaped(row.name),
    median,
    quartiles(row, unit),
    String(row.samples.length),
    cpu(row),
    at === 0 ? "" : ratio(row.ratio)
  ])
}

/** All figures as Markdown. */
export const markdownTable = (results: Results): string =>
  [
    ...circumstances(results).map((text) => `- ${escaped(text)}`),
    "",
    line(["what", "way", "median", "quartiles", "n", "CPU", "task-exec / it"]),
    "|---|---|---:|---:|---:|---:|---:|",
    ...results.comparisons.flatMap((one) => one.rows.map((row, at) => rowOf(row, at, one)))
  ].join("\n")

/** The page with this between its two comments; undefined if it has not both. */
export const withFigures = (page: string, figures: string): string | undefined => {
  const from = page.indexOf(begin)
  const to = page.indexOf(end)
  if (from < 0 || to < from) return undefined
  return `${page.slice(0, from + begin.length)}\n\n${figures}\n\n${page.slice(to)}`
}

/** What is made of the figures: each file of the project, and its text. Throws where the page has no place for them. */
export const pagesOf = (results: Results): ReadonlyMap<string, string> => {
  const page = withFigures(readFileSync(join(import.meta.dirname, "..", pageFile), "utf8"), markdownTable(results))
  if (page === undefined) throw new Error(`${pageFile} has not the two comments between which the figures are`)
  return new Map([
    [pageFile, page],
    [plotFile, plotOf(results)]
  ])
}
