/** Repeats a run that waits for its task, until its command has started or the time to wait is over. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { aftermathOf } from "./Aftermath.ts"
import { summaryOf } from "./engine/Hints.ts"
import type { Swarm } from "./engine/Swarm.ts"
import type { ExecEvent } from "./executor/ExecEvent.ts"
import type { HelperImage } from "./helper/HelperImage.ts"
import type { RunError, RunEvent } from "./Run.ts"
import { WaitTimedOut } from "./target/Wait.ts"

type Needed = Swarm | HelperImage

/** One attempt: the task that was found, and the events of the command in it. */
export interface Attempt {
  readonly resolved: RunEvent & { readonly _tag: "Resolved" }
  readonly events: Stream.Stream<ExecEvent, RunError, Needed>
}

/** The wait of a request. */
export interface Waiting {
  /** The target as the user typed it. */
  readonly target: string
  /** The time to wait, in milliseconds. */
  readonly wait: number
  /** Whether a second attempt can succeed. A command with input is not repeatable, because the first attempt may have read the input. */
  readonly isRepeatable: boolean
}

/** The pause between two attempts, in milliseconds. It doubles from `first` up to `most`. */
const pauses = { first: 250, most: 5000 }
/** Milliseconds for a last lookup after the time to wait, so that the error says what the task is waiting for. */
const lastLookup = 1000

/** Whether the container had ended before the command was started. Swarm may replace its task. */
const isGone = (error: RunError): boolean => error._tag === "ContainerNotRunning" && aftermathOf(error).retry === "safe"

/**
 * Returns the events of the first attempt whose command starts; fails with the error of the last attempt. `attempt` receives the remaining
 * milliseconds. Everything that an attempt created is removed before the next one begins.
 */
export const untilStarted = (
  attempt: (timeout: number) => Effect.Effect<Attempt, RunError, Needed | Scope.Scope>,
  { isRepeatable, target, wait }: Waiting
): Stream.Stream<RunEvent, RunError, Needed> => {
  const round = (deadline: number, pause: number): Stream.Stream<RunEvent, RunError, Needed> => {
    let resolved: Attempt["resolved"] | undefined
    let isEmitted = false
    const events = Effect.gen(function* () {
      const left = deadline - (yield* Clock.currentTimeMillis)
      const made = yield* attempt(Math.max(left, lastLookup))
      resolved = made.resolved
      return made.events.pipe(
        Stream.map((event): ReadonlyArray<RunEvent> => {
          const all = isEmitted ? [event] : [made.resolved, event]
          isEmitted = true
          return all
        }),
        Stream.flattenIterable
      )
    })
    return Stream.unwrap(events).pipe(
      Stream.catch((error: RunError) => {
        if (resolved === undefined || isEmitted) return Stream.fail(error)
        if (!isRepeatable || !isGone(error)) return Stream.concat(Stream.make(resolved), Stream.fail(error))
        return Stream.unwrap(
          Effect.gen(function* () {
            if ((yield* Clock.currentTimeMillis) >= deadline) {
              return yield* new WaitTimedOut({ target, after: wait, detail: summaryOf(error) })
            }
            yield* Effect.logDebug(`still waiting: ${summaryOf(error)}`)
            yield* Effect.sleep(pause)
            return round(deadline, Math.min(2 * pause, pauses.most))
          })
        )
      })
    )
  }
  return Stream.unwrap(Effect.map(Clock.currentTimeMillis, (now) => round(now + wait, pauses.first)))
}
