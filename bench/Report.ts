/** Showing figures to people and to programs. */

import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { Comparison, Row } from "./Comparison.ts"
import type { Machine } from "./Machine.ts"
import { warmUps } from "./Measure.ts"

const time = (seconds: number): string =>
  seconds < 0.02
    ? `${(seconds * 1000).toFixed(2)} ms`
    : seconds < 1
      ? `${(seconds * 1000).toFixed(0)} ms`
      : `${seconds.toFixed(2)} s`

const columns = ["median", "min", "max", "task-exec / it"]
const outputColumns = ["MB/s", "peak MiB", "helper MiB"]

const cells = ({
  command,
  helperMemoryMiB,
  megabytesPerSecond,
  peakMemoryMiB,
  ratio,
  seconds
}: Row): ReadonlyArray<string> => [
  command,
  time(seconds.median),
  time(seconds.min),
  time(seconds.max),
  ratio.toFixed(2),
  ...[megabytesPerSecond, peakMemoryMiB, helperMemoryMiB].flatMap((figure) =>
    figure === undefined ? [] : [figure.toFixed(0)]
  )
]

/** The first column to the left, all others to the right. */
const align = (lines: ReadonlyArray<ReadonlyArray<string>>): ReadonlyArray<string> => {
  const widths = lines.reduce<ReadonlyArray<number>>(
    (wide, line) => line.map((cell, i) => Math.max(cell.length, wide[i] ?? 0)),
    []
  )
  return lines.map((line) =>
    line.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join("  ")
  )
}

/** The figures as text. */
export const table = (machine: Machine, runs: number, comparisons: ReadonlyArray<Comparison>): string => {
  const lines = comparisons.flatMap(({ rows, title }) => {
    const hasOutput = rows.some((row) => row.megabytesPerSecond !== undefined)
    return ["", ...align([[title, ...columns, ...(hasOutput ? outputColumns : [])], ...rows.map(cells)])]
  })
  const { cores, dockerClient, engine, hyperfine, kernel, load, memoryGB, node, processor } = machine
  return [
    `${processor}, ${cores} cores, ${memoryGB} GB, Linux ${kernel}; load before the start: ${load.toFixed(2)}`,
    `3 nodes with engine ${engine}; docker client ${dockerClient}, Node ${node}, hyperfine ${hyperfine}`,
    `whole commands, ${runs} runs each after ${warmUps}; half as many where output is measured`,
    ...lines
  ].join("\n")
}

/** Where the figures are written. */
export const resultsFile = "bench/results.json"

/** Writes the figures down. */
export const writeResults = Effect.fn("Report.write")(function* (
  machine: Machine,
  runs: number,
  comparisons: ReadonlyArray<Comparison>
) {
  const at = new Date(yield* Clock.currentTimeMillis).toISOString()
  const text = JSON.stringify({ at, machine, runs, warmUps, comparisons }, null, 2)
  yield* Effect.promise(() => writeFile(join(import.meta.dirname, "..", resultsFile), `${text}\n`))
})
