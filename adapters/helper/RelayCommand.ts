/**
 * What a relay does: sits on the helper's network beside the caller's engine, and passes bytes between its own stdin and
 * stdout, to which the caller is attached, and the helper. It understands none of them.
 */
import * as Effect from "effect/Effect"
import { say } from "../Output.ts"
import { passOn } from "./PassOn.ts"

/** How long the helper may take to be reached, in milliseconds. */
const patience = 120_000

/** Passes on for one caller. */
export const relayCommand: Effect.Effect<number> = Effect.callback<number, Error>((resume) =>
  passOn({ patience }, (error) => resume(error === undefined ? Effect.succeed(0) : Effect.fail(error)))
).pipe(Effect.catch((error) => Effect.as(say(`relay: ${error.message}\n`), 1)))
