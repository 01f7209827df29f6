/** What a guard is told, and what it says. */
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { EndRun } from "./ExecSpec.ts"

/** What a guard reads as its one argument. */
export const GuardRequest = Schema.Struct({
  run: EndRun,
  /** Milliseconds from the guard's start after which it ends the run even if its caller is there. */
  after: Schema.optionalKey(Schema.Finite)
})

/** What a guard reads as its one argument. */
export type GuardRequest = typeof GuardRequest.Type

/** The subcommand of our programs that watches over a run: `--guard REQUEST`. It reads {@link release} from its stdin. */
export const guardCommand = "--guard"

/** What the caller writes to let the guard go. A stdin that ends without it is a caller that is gone. */
export const release = "done\n"

/** What a guard answers to {@link release}: it did nothing to the run, and won't any more. */
export const released = "ok\n"

/** A guard at work. */
export interface Watch {
  /** Lets it go. `false` if it took the caller for gone: then the command was ended, or is about to be. */
  readonly letGo: Effect.Effect<boolean>
}
