/** What was measured side by side, and what results.json says of it. */
import * as Schema from "effect/Schema"
import type { Measured } from "./Measure.ts"
import { ratioOf, Summary, summarize } from "./Statistics.ts"

/** Of what a comparison is. */
export const Unit = Schema.Literals(["seconds", "bytes", "objects"])

/** One of those that were compared. */
export const Row = Schema.Struct({
  name: Schema.String,
  /** One for each round. */
  samples: Schema.Array(Schema.Finite),
  summary: Summary,
  /** CPU seconds, user and system, of the processes that the command started on this machine. */
  cpu: Schema.optionalKey(Summary),
  /** How many times as much task-exec's row is, round by round. None in that row itself, and where this one is 0. */
  ratio: Schema.optionalKey(Summary)
})

/** One of those that were compared. */
export type Row = typeof Row.Type

/** When a comparison was measured, and how busy the machine was. */
export const Occasion = Schema.Struct({
  /** When its measure ended, as in `2026-01-31T12:00:00.000Z`. */
  date: Schema.String,
  /** The commit that was measured, with a `+` where files differed from it. Null outside of a repository. */
  commit: Schema.NullOr(Schema.String),
  /** The load average of the minute before the measure ended. */
  load: Schema.Finite
})

/** When a comparison was measured, and how busy the machine was. */
export type Occasion = typeof Occasion.Type

/** Task-exec's way first, then what it is compared with. Less is better in all of them. */
export const Comparison = Schema.Struct({
  /** The measure that it belongs to, as one names it to `npm run bench`. */
  measure: Schema.String,
  title: Schema.String,
  unit: Unit,
  /** Bytes that each command moved, where that is what its time is about. */
  moved: Schema.optionalKey(Schema.Int),
  occasion: Schema.optionalKey(Occasion),
  rows: Schema.Array(Row)
})

/** Task-exec's way first, then what it is compared with. Less is better in all of them. */
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
