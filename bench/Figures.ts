/** Formats figures for the tables. */
import type { Comparison, Row } from "./Comparison.ts"
import { isBusy, type Machine } from "./Machine.ts"
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

/** One line for each other commit of which there are figures: its measures, with date, commit and load. */
const otherOccasions = ({ commit, comparisons }: Results): ReadonlyArray<string> => {
  const others = comparisons.flatMap(({ measure, occasion }) =>
    occasion === undefined || occasion.commit === commit ? [] : [{ measure, occasion }]
  )
  return [...Map.groupBy(others, ({ occasion }) => occasionOf(occasion))].map(([when, all]) => {
    const names = [...new Set(all.map(({ measure }) => measure))]
    const loads = all.map(({ occasion }) => occasion.load)
    const load = span(digits(Math.min(...loads), 2), digits(Math.max(...loads), 2))
    return `${names.join(", ")}: ${when}; load average at ${names.length === 1 ? "its" : "their"} end ${load}`
  })
}

/** Date and commit. */
export const occasionOf = ({ commit, date }: Pick<Results, "commit" | "date">): string =>
  `${date.slice(0, 10)}${commit === null ? "" : `, commit ${commit.slice(0, 12)}${commit.endsWith("+") ? " with changes" : ""}`}`

const roundsOf = ({ machine, runs }: Results): string => {
  const busy = isBusy(machine) ? ": the machine was busy, so times are longer than on an idle one" : ""
  return `${runs} rounds, fewer for slow measures; load average before the start ${digits(machine.load, 2)}${busy}`
}

/** The circumstances of a run, one line each: commit, machine, versions, rounds. */
export const circumstances = (results: Results): ReadonlyArray<string> => {
  const { cores, dockerClient, engine, hyperfine, kernel, memoryGB, node, processor } = results.machine
  return [
    occasionOf(results),
    `${processor}, ${cores} cores, ${memoryGB} GB, Linux ${kernel}`,
    `3 nodes with engine ${engine}; docker client ${dockerClient}, Node ${node}, hyperfine ${hyperfine}`,
    roundsOf(results),
    ...otherOccasions(results)
  ]
}

/** The circumstances of a run on another engine of the same machine: engine, commit, rounds. */
export const circumstancesOfOther = (results: Results): ReadonlyArray<string> => [
  `engine ${results.machine.engine}: ${occasionOf(results)}; ${roundsOf(results)}`,
  ...otherOccasions(results).map((text) => `engine ${shortVersion(results)}, ${text}`)
]

/** The engine of a run without its last number: `28.5`. */
export const shortVersion = ({ machine: { engine } }: { readonly machine: Pick<Machine, "engine"> }): string =>
  /^\d+\.\d+/.exec(engine)?.[0] ?? engine
