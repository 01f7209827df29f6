/**
 * The relay: runs on the connected engine and on the helper's overlay network. It forwards bytes between its stdin and stdout, to which the
 * caller is attached, and the helper's listener. TLS ends at the caller and at the listener.
 */
import * as Effect from "effect/Effect"
import { writeStderr } from "../Output.ts"
import { passOn } from "./PassOn.ts"

/** Milliseconds until the listener must be reached. */
const retryFor = 120_000

/** Forwards for one caller. */
export const relayCommand: Effect.Effect<number> = Effect.callback<number, Error>((resume) =>
  passOn({ retryFor }, (error) => resume(error === undefined ? Effect.succeed(0) : Effect.fail(error)))
).pipe(Effect.catch((error) => Effect.as(writeStderr(`relay: ${error.message}\n`), 1)))
