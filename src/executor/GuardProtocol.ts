/** The messages between a caller and its guard. */
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { EndRun } from "./ExecSpec.ts"

/** The first argument of a guard. Lines that its caller wrote before the guard's program started may follow it. */
export const GuardRequest = Schema.Struct({
  runs: Schema.NonEmptyArray(EndRun),
  /** Milliseconds after the guard's start at which it kills the runs even if its caller is alive. */
  after: Schema.optionalKey(Schema.Finite)
})

/** The first argument of a guard. */
export type GuardRequest = typeof GuardRequest.Type

/** Releases the guard, on its stdin. If stdin ends without it, the caller was killed. */
export const releaseMessage = "done\n"

/** The guard's response to {@link releaseMessage}: it has not killed the runs, and will not. */
export const releasedReply = "ok\n"

/** Asks whether the guard has not killed the runs so far. May be sent any number of times. */
export const ping = "there?\n"

/** The guard's response to {@link ping}: it has not killed the runs. */
export const pong = "yes\n"

/** The prefix of a line that says that a command has started. The ID of its run follows. */
export const startedPrefix = "begun:"

/**
 * Returns the runs that a guard kills. A command that has not been reported as started may be about to: the caller may have ended while the
 * engine started it.
 */
export const runsToKill = ({ runs }: GuardRequest, lines: Iterable<string>): ReadonlyArray<EndRun> => {
  const started = new Set(lines)
  return runs.map((run) => (started.has(`${startedPrefix}${run.runId}`) ? run : { ...run, mayStart: true }))
}

/** A running guard. */
export interface Watch {
  /** Reports to the guard that the command of a run has started. */
  readonly started: (runId: string) => Effect.Effect<void>
  /** Whether the guard has not killed the runs so far. `false` if it found that the caller is gone. */
  readonly confirm: Effect.Effect<boolean>
  /** Makes the guard kill the runs when the scope closes: the caller could not kill a command. */
  readonly killOnClose: Effect.Effect<void>
  /** Releases the guard. `false` if it found that the caller is gone: it has killed the commands, or is about to. */
  readonly release: Effect.Effect<boolean>
}
