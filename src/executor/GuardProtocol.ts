/** What a guard is told, and what it says. */
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { EndRun } from "./ExecSpec.ts"

/** What a guard reads as its one argument. */
export const GuardRequest = Schema.Struct({
  runs: Schema.NonEmptyArray(EndRun),
  /** Milliseconds from the guard's start after which it ends the runs even if its caller is there. */
  after: Schema.optionalKey(Schema.Finite)
})

/** What a guard reads as its one argument. */
export type GuardRequest = typeof GuardRequest.Type

/** What the caller writes to the guard's stdin to let it go. A stdin that ends without it is a caller that is gone. */
export const release = "done\n"

/** What a guard answers to {@link release}: it did nothing to the runs, and won't any more. */
export const released = "ok\n"

/** What the caller asks, any number of times: has the guard done nothing so far? */
export const question = "there?\n"

/** What a guard answers to {@link question}: it did nothing to the runs. */
export const present = "yes\n"

/** A guard at work. */
export interface Watch {
  /** Whether it has done nothing to the runs so far. `false` if it took the caller for gone. */
  readonly confirm: Effect.Effect<boolean>
  /** The caller could not end a command: the guard does that, as if the caller were gone, when the scope is closed. */
  readonly takeOver: Effect.Effect<void>
  /** Lets it go. `false` if it took the caller for gone: then the commands were ended, or are about to be. */
  readonly letGo: Effect.Effect<boolean>
}
