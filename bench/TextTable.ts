/** The figures for a terminal. */
import type { Comparison } from "./Comparison.ts"
import { circumstances, cpu, figure, quartiles, rate, ratio } from "./Figures.ts"
import type { Results } from "./Results.ts"

const cells = ({ moved, occasion, rows, title, unit }: Comparison): ReadonlyArray<ReadonlyArray<string>> => [
  [
    occasion === undefined ? title : `${title} (load ${figure(occasion.load, "objects")})`,
    "median",
    "quartiles",
    "n",
    rows.some((row) => row.cpu !== undefined) ? "CPU" : "",
    moved === undefined ? "" : "rate",
    "ratio"
  ],
  ...rows.map((row) => [
    row.name,
    figure(row.summary.median, unit),
    quartiles(row, unit),
    String(row.samples.length),
    cpu(row),
    rate(row, moved),
    ratio(row.ratio)
  ])
]

/** Aligns columns: the first one to the left, all others to the right. */
export const align = (lines: ReadonlyArray<ReadonlyArray<string>>): ReadonlyArray<string> => {
  const columns = Math.max(0, ...lines.map((line) => line.length))
  const widths = Array.from({ length: columns }, (_, at) => Math.max(0, ...lines.map((line) => line[at]?.length ?? 0)))
  return lines.map((line) =>
    widths
      .map((width, at) => (at === 0 ? (line[at] ?? "").padEnd(width) : (line[at] ?? "").padStart(width)))
      .join("  ")
      .trimEnd()
  )
}

/** Comparisons, each after an empty line. */
export const comparisonTable = (comparisons: ReadonlyArray<Comparison>): string =>
  align(comparisons.flatMap((one) => [[""], ...cells(one)])).join("\n")

/** The whole table. */
export const textTable = (results: Results): string =>
  [...circumstances(results), comparisonTable(results.comparisons)].join("\n")
