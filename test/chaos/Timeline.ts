/** What happened in a run, and when. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"

/** What happened in a run, and when. */
export interface Timeline {
  /** Writes something down. */
  readonly note: (text: string) => Effect.Effect<void>
  /** Milliseconds since its beginning. */
  readonly elapsed: Effect.Effect<number>
  /** One line for each entry. */
  readonly lines: () => ReadonlyArray<string>
}

/** A timeline that begins now. */
export const makeTimeline: Effect.Effect<Timeline> = Effect.map(Clock.currentTimeMillis, (start) => {
  const entries: Array<string> = []
  const elapsed = Effect.map(Clock.currentTimeMillis, (now) => now - start)
  return {
    elapsed,
    note: (text) =>
      Effect.map(elapsed, (millis) => {
        entries.push(`${(millis / 1000).toFixed(2).padStart(8)} s  ${text}`)
      }),
    lines: () => entries
  }
})
