/** Formats figures for the tables. */
import type { Comparison, Row } from "./Comparison.ts"
import { isBusy } from "./Machine.ts"
import type { Results } from "./Results.ts"
import type { Summary } from "./Statistics.ts"

/** A number with `count` significant digits. */
const digits = (value: number, count: number): string =>
  value.toFixed(Math.max(0, value === 0 ? 0 : count - 1 - Math.floor(Math.log10(Math.abs(value)))))

const scaled = (value: number, steps: ReadonlyArray<readonly [atLeast: number, unit: string]>): string => {
  const [size, unit] = steps.find(([atLeast]) => Math.abs(value) >= atLeast) ?? steps.at(-1) ?? [1, ""]
  return `${digits(value / size, 3)} ${unit}`
}

const seconds = [
  [1, "s"],
  [0.001, "ms"],
  [0.000_001, "µs"]
] as const

const bytes = [
  [1_000_000, "MB"],
  [1000, "kB"],
  [1, "B"]
] as const

/** A figure with its unit. */
export const figure = (value: number, unit: Comparison["unit"]): string =>
  unit === "seconds" ? scaled(value, seconds) : unit === "bytes" ? scaled(value, bytes) : digits(value, 3)

/** A range, or one number if both ends look the same. */
const span = (from: string, to: string): string => (from === to ? from : `${from} - ${to}`)

/** The range of the middle half of the samples. */
export const quartiles = ({ summary: { lower, upper } }: Row, unit: Comparison["unit"]): string =>
  span(figure(lower, unit), figure(upper, unit))

/** Throughput in 10^6 bytes per second; empty for rows that move no data. */
export const rate = ({ summary: { median } }: Row, moved: number | undefined): string =>
  moved === undefined ? "" : `${digits(moved / 1e6 / median, 3)} MB/s`

/** task-exec's figure divided by a row's: the median of the rounds, with the quartiles. */
export const ratio = (of: Summary | undefined): string => {
  if (of === undefined) return ""
  const around = span(digits(of.lower, 2), digits(of.upper, 2))
  const middle = digits(of.median, 2)
  return around === middle ? middle : `${middle} (${around})`
}

/** CPU time of a row's command. */
export const cpu = ({ cpu: of }: Row): string => (of === undefined ? "" : figure(of.median, "seconds"))

/** One line for each measure from another commit: its date, commit and load. */
const otherOccasions = ({ commit, comparisons }: Results): ReadonlyArray<string> => {
  const others = comparisons.flatMap(({ measure, occasion }) =>
    occasion === undefined || occasion.commit === commit ? [] : [{ measure, occasion }]
  )
  return [...Map.groupBy(others, ({ measure }) => measure)].flatMap(([measure, [first]]) =>
    first === undefined
      ? []
      : [`${measure}: ${occasionOf(first.occasion)}; load average at its end ${digits(first.occasion.load, 2)}`]
  )
}

const occasionOf = ({ commit, date }: Pick<Results, "commit" | "date">): string =>
  `${date.slice(0, 10)}${commit === null ? "" : `, commit ${commit.slice(0, 12)}${commit.endsWith("+") ? " with changes" : ""}`}`

/** The circumstances of a run, one line each: commit, machine, versions, rounds. */
export const circumstances = (results: Results): ReadonlyArray<string> => {
  const { machine, runs } = results
  const { cores, dockerClient, engine, hyperfine, kernel, load, memoryGB, node, processor } = machine
  const busy = isBusy(machine) ? ": the machine was busy, so times are longer than on an idle one" : ""
  return [
    occasionOf(results),
    `${processor}, ${cores} cores, ${memoryGB} GB, Linux ${kernel}`,
    `3 nodes with engine ${engine}; docker client ${dockerClient}, Node ${node}, hyperfine ${hyperfine}`,
    `${runs} rounds, fewer for slow measures; load average before the start ${digits(load, 2)}${busy}`,
    ...otherOccasions(results)
  ]
}
