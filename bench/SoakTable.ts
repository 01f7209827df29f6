/** The figures of a soak, as rows of a table. */
import { figure, occasionOf } from "./Figures.ts"
import { commandsOf, groupsOf, type Series, type SeriesGroup, type Soak } from "./Soak.ts"
import { slopeOf } from "./Statistics.ts"
import { align } from "./TextTable.ts"

/** The titles of the columns. */
export const soakColumns = ["what", "at the start", "at the end", "largest", "growth per 1,000 commands, second half"]

/** The growth of a series with each command, from the second half of its points: engines take more memory when they start to work. */
export const growthOf = ({ points }: Series): number =>
  slopeOf(points.slice(Math.floor(points.length / 2)).map(({ runs, value }) => ({ x: runs, y: value })))

const rowOf = (series: Series, unit: SeriesGroup["unit"], prefix: string): ReadonlyArray<string> => {
  const { name, points } = series
  const values = points.map(({ value }) => value)
  const growth = 1000 * growthOf(series)
  const shown = (value: number | undefined) => {
    if (value === undefined || Number.isNaN(value)) return ""
    return unit === "objects" && Number.isInteger(value) ? String(value) : figure(value, unit)
  }
  return [
    `${prefix}${name}`,
    shown(values[0]),
    shown(values.at(-1)),
    shown(values.length === 0 ? undefined : Math.max(...values)),
    shown(growth)
  ]
}

/** The rows of the table: each series of the chart, and the store. */
export const soakRows = (soak: Soak): ReadonlyArray<ReadonlyArray<string>> => {
  const [engines, processes, objects] = groupsOf(soak)
  const rows = (group: SeriesGroup | undefined, prefix = "") =>
    group === undefined ? [] : group.series.map((one) => rowOf(one, group.unit, prefix))
  const raft: Series = {
    name: "Raft log of the manager, on disk",
    points: soak.samples.map(({ raft: value, runs, seconds }) => ({ seconds, runs, value }))
  }
  return [...rows(engines, "engine of "), ...rows(processes), ...rows(objects), rowOf(raft, "bytes", "")]
}

/** What ran, one line each: commit, machine, commands. */
export const soakCircumstances = (soak: Soak): ReadonlyArray<string> => {
  const { atOnce, failed, kinds, machine, samples } = soak
  const minutes = Math.round((samples.at(-1)?.seconds ?? 0) / 60)
  const { agent, helper, local, tunnel } = kinds
  return [
    occasionOf(soak),
    `${machine.processor}, ${machine.cores} cores, ${machine.memoryGB} GB, Linux ${machine.kernel}; Node ${machine.node}`,
    `3 nodes with engine ${machine.engine}`,
    `${commandsOf(soak)} commands in ${minutes} minutes, at most ${atOnce} at the same time, ${failed} failed: ${local} on the connected engine, ${helper} by a helper, ${agent} by an agent, ${tunnel} with a tunnel`
  ]
}

/** All figures for a terminal. */
export const soakLines = (soak: Soak): ReadonlyArray<string> => [
  ...soakCircumstances(soak),
  "",
  ...align([soakColumns, ...soakRows(soak)])
]
