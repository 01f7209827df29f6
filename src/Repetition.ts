/** Repeats a run that waits for its task, until its command has started or the time is up. */
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

/** What there is to wait for. */
export interface Waiting {
  /** The target as the user typed it. */
  readonly target: string
  /** Milliseconds. */
  readonly wait: number
  /** Whether nothing that an attempt has used up is missing in the next one: input that was read is gone. */
  readonly isRepeatable: boolean
}

/** Milliseconds between two attempts, at first and at most. */
const pauses = { first: 250, most: 5000 }
/** Milliseconds for the last look at the task, which says how things stand. */
const lastLook = 1000

/** Whether the container was gone before the command was started, so that another task may take its place. */
const isGone = (error: RunError): boolean => error._tag === "ContainerNotRunning" && aftermathOf(error).retry === "safe"

/**
 * The events of the first attempt whose command starts, or the error of the last one. `attempt` gets the milliseconds that are
 * left. Everything of an attempt is gone before the next one begins.
 */
export const untilStarted = (
  attempt: (patience: number) => Effect.Effect<Attempt, RunError, Needed | Scope.Scope>,
  { isRepeatable, target, wait }: Waiting
): Stream.Stream<RunEvent, RunError, Needed> => {
  const round = (deadline: number, pause: number): Stream.Stream<RunEvent, RunError, Needed> => {
    let resolved: Attempt["resolved"] | undefined
    let isTold = false
    const one = Effect.gen(function* () {
      const left = deadline - (yield* Clock.currentTimeMillis)
      const made = yield* attempt(Math.max(left, lastLook))
      resolved = made.resolved
      return made.events.pipe(
        Stream.map((event): ReadonlyArray<RunEvent> => {
          const all = isTold ? [event] : [made.resolved, event]
          isTold = true
          return all
        }),
        Stream.flattenIterable
      )
    })
    return Stream.unwrap(one).pipe(
      Stream.catch((error: RunError) => {
        if (resolved === undefined || isTold) return Stream.fail(error)
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
