/** A seeded generator of random numbers. */

/** Random choices. Each call takes one number of the sequence. */
export interface Dice {
  /** From 0 up to, but not including, 1. */
  readonly next: () => number
  /** A number between the two. */
  readonly between: (low: number, high: number) => number
  /** A whole number between the two, both included. */
  readonly whole: (low: number, high: number) => number
  /** True with this probability. */
  readonly chance: (probability: number) => boolean
  /** One of these values. */
  readonly pick: <A>(from: readonly [A, ...ReadonlyArray<A>]) => A
}

/** A 32-bit hash of all characters. */
const hash = (text: string): number => {
  let value = 0x811c9dc5
  for (const character of text) value = Math.imul(value ^ (character.codePointAt(0) ?? 0), 0x01000193)
  return value >>> 0
}

/** The generator for a seed (Mulberry32). */
export const makeDice = (seed: string): Dice => {
  let state = hash(seed)
  const next = () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const whole = (low: number, high: number) => low + Math.floor(next() * (high - low + 1))
  return {
    next,
    between: (low, high) => low + next() * (high - low),
    whole,
    chance: (probability) => next() < probability,
    pick: (from) => from[whole(0, from.length - 1)] ?? from[0]
  }
}
