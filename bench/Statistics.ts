/** Summaries of lists of numbers. */
import * as Schema from "effect/Schema"

/** Median, quartiles, minimum and maximum. */
export const Summary = Schema.Struct({
  median: Schema.Finite,
  /** A quarter of the numbers are at most this one. */
  lower: Schema.Finite,
  /** A quarter of the numbers are at least this one. */
  upper: Schema.Finite,
  min: Schema.Finite,
  max: Schema.Finite
})

/** Median, quartiles, minimum and maximum. */
export type Summary = typeof Summary.Type

/** The quantile of sorted numbers, interpolated as R and NumPy do (the seventh definition of Hyndman and Fan). NaN if there are none. */
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

/** Ours divided by theirs, round by round. */
export const ratiosOf = (ours: ReadonlyArray<number>, theirs: ReadonlyArray<number>): ReadonlyArray<number> =>
  ours.map((one, round) => one / (theirs[round] ?? Number.NaN))

/**
 * The slope of a line through points: the median of the slopes between any two of them (the estimator of Theil and Sen), which single
 * outliers do not change. NaN without two points of different `x`.
 */
export const slopeOf = (points: ReadonlyArray<{ readonly x: number; readonly y: number }>): number =>
  median(
    points.flatMap((one, at) =>
      points.slice(at + 1).flatMap(({ x, y }) => (x === one.x ? [] : [(y - one.y) / (x - one.x)]))
    )
  )

/** Our numbers divided by theirs, round by round, so that a disturbance of one round affects both. Empty if one of theirs is 0. */
export const ratioOf = (ours: ReadonlyArray<number>, theirs: ReadonlyArray<number>): Summary | undefined => {
  const ratios = ratiosOf(ours, theirs)
  return ratios.every(Number.isFinite) ? summarize(ratios) : undefined
}

/** The fewest numbers for which {@link medianInterval} has finite ends. */
export const fewestForInterval = 6

/**
 * The interval that contains the median of what the numbers are drawn from, with at least 95 % confidence. It is the interval of the sign
 * test, which assumes no distribution: both ends are numbers of the list. The ends are infinite for fewer than 6 numbers.
 */
export const medianInterval = (numbers: ReadonlyArray<number>): { readonly lower: number; readonly upper: number } => {
  const sorted = numbers.toSorted((a, b) => a - b)
  const { length } = sorted
  // The probability that exactly `below` numbers are less than the median.
  let probability = 0.5 ** length
  let tail = probability
  let below = 0
  while (tail <= 0.025) {
    below++
    probability *= (length - below + 1) / below
    tail += probability
  }
  return { lower: sorted[below - 1] ?? -Infinity, upper: sorted[length - below] ?? Infinity }
}
