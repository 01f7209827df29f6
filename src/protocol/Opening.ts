/** Decides which commands of a node begin with the request itself, and which begin by a later message. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"

/** The commands of one request, by their index. */
export interface Opening {
  /** Begins a command. Returns whether the request says so; otherwise send the command a `Begin`. */
  readonly begin: (index: number) => Effect.Effect<boolean>
  /** Reports that a command has ended, or will never begin. */
  readonly leave: (index: number) => void
  /** Completes when the request can be made. Returns the indices of the commands that begin with it, in order. */
  readonly ready: Effect.Effect<ReadonlyArray<number>>
}

/**
 * Waits with the request until each of the `first` commands begins, or never will. The caller begins them at the same time: so the
 * request of a fan-out holds every command that its pacing starts at once.
 */
export const makeOpening = (first: number): Opening => {
  const begun = new Set<number>()
  const waiting = new Set(Array.from({ length: first }, (_, index) => index))
  const ready = Deferred.makeUnsafe<ReadonlyArray<number>>()
  const look = () => {
    if (waiting.size === 0 && begun.size > 0) {
      Deferred.doneUnsafe(ready, Effect.succeed([...begun].toSorted((a, b) => a - b)))
    }
  }
  return {
    begin: (index) =>
      Effect.suspend(() => {
        begun.add(index)
        waiting.delete(index)
        look()
        return Effect.map(Deferred.await(ready), (indices) => indices.includes(index))
      }),
    leave: (index) => {
      waiting.delete(index)
      begun.delete(index)
      look()
    },
    ready: Deferred.await(ready)
  }
}
