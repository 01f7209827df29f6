/** Summaries of lists of numbers. */
import * as Schema from "effect/Schema"

/** Median, quartiles, least and greatest. */
export const Summary = Schema.Struct({
  median: Schema.Finite,
  /** A quarter of the numbers is not greater. */
  lower: Schema.Finite,
  /** A quarter of the numbers is not less. */
  upper: Schema.Finite,
  min: Schema.Finite,
  max: Schema.Finite
})

/** Median, quartiles, least and greatest. */
export type Summary = typeof Summary.Type

/**
 * The number below which that part of the sorted numbers lies: between two of them in proportion (the seventh way of
 * Hyndman and Fan, that of R and NumPy). NaN if there are none.
 */
export const quantile = (numbers: ReadonlyArray<number>, part: number): number => {
  const sorted = numbers.toSorted((a, b) => a - b)
  const at = (sorted.length - 1) * part
  const below = sorted[Math.floor(at)] ?? Number.NaN
  const above = sorted[Math.ceil(at)] ?? Number.NaN
  return below + (above - below) * (at - Math.floor(at))
}

/** The middle number, or the mean of the two in the middle. */
export const median = (numbers: ReadonlyArray<number>): number => quantile(numbers, 0.5)

/** Summarizes at least one number. */
export const summarize = (numbers: ReadonlyArray<number>): Summary => ({
  median: median(numbers),
  lower: quantile(numbers, 0.25),
  upper: quantile(numbers, 0.75),
  min: Math.min(...numbers),
  max: Math.max(...numbers)
})

/**
 * How many times as much ours are as theirs, round by round: what disturbs a round disturbs both. Nothing where one of
 * theirs is 0.
 */
export const ratioOf = (ours: ReadonlyArray<number>, theirs: ReadonlyArray<number>): Summary | undefined => {
  const ratios = ours.map((one, round) => one / (theirs[round] ?? Number.NaN))
  return ratios.every(Number.isFinite) ? summarize(ratios) : undefined
}
