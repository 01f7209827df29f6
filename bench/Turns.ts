/** The order in which contenders run. */

/** One run of one contender. */
export interface Turn {
  /** The index of the contender. */
  readonly who: number
  /** Whether the run is counted. */
  readonly counts: boolean
}

/** Gives each contender one turn per round. Each round begins with another contender, so that none always follows the same one. */
export const turnsOf = (size: number, rounds: number, counts = true): ReadonlyArray<Turn> =>
  Array.from({ length: rounds }, (_, round) =>
    Array.from({ length: size }, (_, place) => ({ who: (place + round) % size, counts }))
  ).flat()
