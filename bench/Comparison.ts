/** Comparisons and their form in files of results. */
import * as Schema from "effect/Schema"
import type { Measured } from "./Measure.ts"
import { ratioOf, Summary, summarize } from "./Statistics.ts"

/** Unit of a comparison's figures. */
export const Unit = Schema.Literals(["seconds", "bytes", "objects"])

/** One of the compared contenders. */
export const Row = Schema.Struct({
  name: Schema.String,
  /** One per round. */
  samples: Schema.Array(Schema.Finite),
  summary: Summary,
  /** CPU seconds (user and system) of the processes that the command started on this machine. */
  cpu: Schema.optionalKey(Summary),
  /** task-exec's figure divided by this row's, round by round. Absent in task-exec's own row and in rows with a 0. */
  ratio: Schema.optionalKey(Summary)
})

/** One of the compared contenders. */
export type Row = typeof Row.Type

/** Date, commit and load of a measure. */
export const Occasion = Schema.Struct({
  /** End of the measure, as in `2026-01-31T12:00:00.000Z`. */
  date: Schema.String,
  /** The measured commit, with a `+` if files differed from it. Null outside of a repository. */
  commit: Schema.NullOr(Schema.String),
  /** The load average of the minute before the measure ended. */
  load: Schema.Finite
})

/** Date, commit and load of a measure. */
export type Occasion = typeof Occasion.Type

/** Rows of figures: task-exec's first. Lower is better. */
export const Comparison = Schema.Struct({
  /** Name of the measure, as on the command line of `npm run bench`. */
  measure: Schema.String,
  title: Schema.String,
  unit: Unit,
  /** Bytes that each command moved, in throughput measures. */
  moved: Schema.optionalKey(Schema.Int),
  occasion: Schema.optionalKey(Occasion),
  rows: Schema.Array(Row)
})

/** Rows of figures: task-exec's first. Lower is better. */
export type Comparison = typeof Comparison.Type

/** What a row is made of. */
export type Entry = Pick<Row, "cpu" | "name" | "samples">

/** The whole command, in seconds. */
export const whole = ({ contender, cpuSeconds, seconds }: Measured): Entry => ({
  name: contender.name,
  samples: seconds,
  cpu: summarize(cpuSeconds)
})

/** Compares the first with the others. */
export const compare = (about: Omit<Comparison, "rows">, ours: Entry, others: ReadonlyArray<Entry>): Comparison => ({
  ...about,
  rows: [
    { ...ours, summary: summarize(ours.samples) },
    ...others.map((other) => {
      const ratio = ratioOf(ours.samples, other.samples)
      return { ...other, summary: summarize(other.samples), ...(ratio === undefined ? {} : { ratio }) }
    })
  ]
})

/** Compares the first of some commands with the others. */
export const compareMeasured = (
  about: Omit<Comparison, "rows">,
  measured: ReadonlyArray<Measured>
): ReadonlyArray<Comparison> => {
  const [ours, ...others] = measured.map(whole)
  return ours === undefined ? [] : [compare(about, ours, others)]
}
