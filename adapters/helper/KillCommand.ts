/** What the killer's container does: ends the run that its argument names, and prints what became of it. */

import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { endMarked } from "../../src/executor/MarkedProcesses.ts"
import { KillReport, KillRequest } from "../../src/executor/ProcessKiller.ts"
import { writeText } from "../Output.ts"

/** Serves one kill request (see `KillRequest`). */
export const killRunCommand = (text: string): Effect.Effect<number> =>
  Effect.gen(function* () {
    const run = yield* Schema.decodeUnknownEffect(KillRequest)(text)
    const ending = yield* endMarked(run)
    yield* writeText(1, `${yield* Schema.encodeEffect(KillReport)(ending)}\n`)
    return 0
  }).pipe(Effect.catch((error) => Effect.as(Effect.ignore(writeText(2, `kill: ${error.message}\n`)), 1)))
