/** The five figures of the chart: one command on another node by five ways, which the measure `agent` measures in turn. */
import type { Comparison, Row } from "./Comparison.ts"
import type { Results } from "./Results.ts"

/** One of the five ways. */
export interface Bar {
  readonly label: string
  readonly isOurs: boolean
  readonly row: Row
}

const ways: ReadonlyArray<Omit<Bar, "row"> & { readonly name: RegExp }> = [
  { label: "SSH, new connection", isOurs: false, name: /^docker -H ssh:\S+ exec$/ },
  { label: "SSH, connection kept open", isOurs: false, name: /^docker -H ssh:\S+ exec, over a connection/ },
  { label: "task-exec, helper", isOurs: true, name: /^task-exec --via helper \S+ true$/ },
  { label: "task-exec, agent", isOurs: true, name: /^task-exec --via agent \S+ true$/ },
  { label: "docker exec on the node itself", isOurs: false, name: /^docker exec, on the node itself$/ }
]

/** The rows of a comparison as the chart's bars. `undefined` unless it has each of the five ways once. */
const barsIn = ({ rows }: Comparison): ReadonlyArray<Bar> | undefined => {
  const bars = ways.flatMap(({ isOurs, label, name }) =>
    rows.filter((row) => name.test(row.name)).map((row) => ({ label, isOurs, row }))
  )
  return bars.length === ways.length && new Set(bars.map(({ label }) => label)).size === ways.length ? bars : undefined
}

/** The chart's bars. Throws if the results lack one of the five ways. */
export const barsOf = ({ comparisons }: Results): ReadonlyArray<Bar> => {
  const [bars] = comparisons.flatMap((comparison) => {
    const found = barsIn(comparison)
    return found === undefined ? [] : [found]
  })
  if (bars === undefined)
    throw new Error(`the results have no comparison of ${ways.map(({ label }) => label).join("; ")}`)
  return bars
}
