/** What is said of a list of numbers. */

/** Median, least and greatest. */
export interface Summary {
  readonly median: number
  readonly min: number
  readonly max: number
}

/** The middle number, or the mean of the two in the middle. */
export const median = (numbers: ReadonlyArray<number>): number => {
  const sorted = numbers.toSorted((a, b) => a - b)
  const middle = sorted.slice(Math.ceil(sorted.length / 2) - 1, Math.floor(sorted.length / 2) + 1)
  return middle.reduce((sum, one) => sum + one, 0) / middle.length
}

/** Median, least and greatest of the numbers. */
export const summarize = (numbers: ReadonlyArray<number>): Summary => ({
  median: median(numbers),
  min: Math.min(...numbers),
  max: Math.max(...numbers)
})
