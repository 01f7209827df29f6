/** Decides which commands begin with the request to their node, and which begin by a later message. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"

/** The commands of one request, by index. */
export interface Opening {
  /** Begins a command. Returns whether the request begins it. If not, send `Begin` to the command. */
  readonly begin: (index: number) => Effect.Effect<boolean>
  /** Reports that a command has ended, or will never begin. */
  readonly leave: (index: number) => void
  /** Completes when the request can be sent. Returns the indices of the commands that begin with it, in order. */
  readonly ready: Effect.Effect<ReadonlyArray<number>>
}

/**
 * Delays the request until it is known for each of the `first` commands whether it begins. The caller begins these commands at the same
 * time, so the request of a fan-out begins every command that its pacing starts at once.
 */
export const makeOpening = (first: number): Opening => {
  const begun = new Set<number>()
  const waiting = new Set(Array.from({ length: first }, (_, index) => index))
  const ready = Deferred.makeUnsafe<ReadonlyArray<number>>()
  const completeIfKnown = () => {
    if (waiting.size === 0 && begun.size > 0) {
      Deferred.doneUnsafe(ready, Effect.succeed([...begun].toSorted((a, b) => a - b)))
    }
  }
  return {
    begin: (index) =>
      Effect.suspend(() => {
        begun.add(index)
        waiting.delete(index)
        completeIfKnown()
        return Effect.map(Deferred.await(ready), (indices) => indices.includes(index))
      }),
    leave: (index) => {
      waiting.delete(index)
      begun.delete(index)
      completeIfKnown()
    },
    ready: Deferred.await(ready)
  }
}
