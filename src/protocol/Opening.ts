/** Which of a node's commands begin with the request, and need not be told to. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"

/** Of the commands of one request, by their index. */
export interface Opening {
  /** The command is to begin. Gives whether the request says so; otherwise it must be told to. */
  readonly begin: (index: number) => Effect.Effect<boolean>
  /** The command is over, or will never begin. */
  readonly leave: (index: number) => void
  /** Done when the request can be made: the commands that begin with it, in order. */
  readonly ready: Effect.Effect<ReadonlyArray<number>>
}

/**
 * The request is made when each of the `first` commands is to begin, or will not. They are said to come at the same time: the
 * request of a fan-out has every command that its pacing starts at once.
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
