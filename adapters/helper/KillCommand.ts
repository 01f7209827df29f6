/** The killer: kills the processes that its argument names, and prints the kill result. */

import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { endMarked } from "../../src/executor/MarkedProcesses.ts"
import { KillReport, KillRequest } from "../../src/executor/ProcessKiller.ts"
import { writeStderr, writeText } from "../Output.ts"

/** Serves one kill request (see `KillRequest`). */
export const killRunCommand = (text: string): Effect.Effect<number> =>
  Effect.gen(function* () {
    const request = yield* Schema.decodeUnknownEffect(KillRequest)(text)
    const killResults = yield* endMarked(request.runs)
    yield* writeText(1, `${yield* Schema.encodeEffect(KillReport)(killResults)}\n`)
    return 0
  }).pipe(Effect.catch((error) => Effect.as(writeStderr(`kill: ${error.message}\n`), 1)))
