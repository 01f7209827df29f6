/** The events of a run with their times. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"

/** The events of a run with their times. */
export interface Timeline {
  /** Records an event. */
  readonly note: (text: string) => Effect.Effect<void>
  /** Milliseconds since the start of the timeline. */
  readonly elapsed: Effect.Effect<number>
  /** One line for each entry. */
  readonly lines: () => ReadonlyArray<string>
}

/** Starts a timeline. */
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
