/** The kept figures of fan-outs over simulated swarms. `npm run bench:scale -- --keep` writes them. */
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import * as Schema from "effect/Schema"
import { figure, occasionOf } from "./Figures.ts"
import { Machine } from "./Machine.ts"

/** One fan-out. */
export const SimulatedFanOut = Schema.Struct({
  tasks: Schema.Int,
  nodes: Schema.Int,
  /** Number of different outputs. */
  groups: Schema.Int,
  seconds: Schema.Finite,
  /** The highest resident memory in bytes. */
  peak: Schema.Finite
})

/** One fan-out. */
export type SimulatedFanOut = typeof SimulatedFanOut.Type

/** Fan-outs over swarms of several sizes. */
export const LargeSwarms = Schema.Struct({
  date: Schema.String,
  /** The measured commit, with a `+` if files differed from it. Null outside of a repository. */
  commit: Schema.NullOr(Schema.String),
  processor: Machine.fields.processor,
  cores: Machine.fields.cores,
  load: Machine.fields.load,
  node: Machine.fields.node,
  fanOuts: Schema.Array(SimulatedFanOut)
})

/** Fan-outs over swarms of several sizes. */
export type LargeSwarms = typeof LargeSwarms.Type

/** Path of the kept figures in the project's folder. */
export const largeSwarmsFile = "bench/results/large-swarms.json"

/** Prints the figures as indented JSON. */
export const printLargeSwarms = (found: LargeSwarms): string => `${JSON.stringify(found, null, 2)}\n`

/** Parses the figures. Throws if the text is invalid. */
export const parseLargeSwarms = Schema.decodeUnknownSync(Schema.fromJsonString(LargeSwarms))

/** Reads the kept figures. `undefined` if there are none yet. */
export const keptLargeSwarms = (): LargeSwarms | undefined => {
  const file = join(import.meta.dirname, "..", largeSwarmsFile)
  return existsSync(file) ? parseLargeSwarms(readFileSync(file, "utf8")) : undefined
}

/** The titles of the columns. */
export const largeSwarmColumns = ["tasks", "nodes", "different outputs", "time", "peak memory of the caller"]

/** The rows of the table. */
export const largeSwarmRows = ({ fanOuts }: LargeSwarms): ReadonlyArray<ReadonlyArray<string>> =>
  fanOuts.map(({ groups, nodes, peak, seconds, tasks }) => [
    tasks.toLocaleString("en-US"),
    nodes.toLocaleString("en-US"),
    groups.toLocaleString("en-US"),
    figure(seconds, "seconds"),
    figure(peak, "bytes")
  ])

/** Where and when the figures were measured. */
export const largeSwarmCircumstances = (found: LargeSwarms): ReadonlyArray<string> => [
  occasionOf(found),
  `${found.processor}, ${found.cores} cores; Node ${found.node}; load average before the start ${figure(found.load, "objects")}`
]
