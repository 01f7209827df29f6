/** Whose turn it is. */

/** One run of one of those that are compared. */
export interface Turn {
  /** Its number among them, from 0. */
  readonly who: number
  /** Whether it is one of those that are looked at. */
  readonly counts: boolean
}

/** Every one of them once in each round. Another one is first in every round, so that none always follows the same one's start. */
export const turnsOf = (size: number, rounds: number, counts = true): ReadonlyArray<Turn> =>
  Array.from({ length: rounds }, (_, round) =>
    Array.from({ length: size }, (_, place) => ({ who: (place + round) % size, counts }))
  ).flat()
