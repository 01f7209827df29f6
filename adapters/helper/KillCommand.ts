/** What the killer's container does: ends the run that its argument names, and prints what became of it. */

import { constants } from "node:os"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { endMarked } from "../../src/executor/MarkedProcesses.ts"
import { KillReport, KillRequest } from "../../src/executor/ProcessKiller.ts"
import { writeText } from "../Output.ts"

const isSignal = (name: string): name is NodeJS.Signals => Object.hasOwn(constants.signals, name)

/** Serves one kill request (see `KillRequest`). */
export const killRunCommand = (text: string): Effect.Effect<number> =>
  Effect.gen(function* () {
    const { signal, ...run } = yield* Schema.decodeUnknownEffect(KillRequest)(text)
    if (!isSignal(signal)) return yield* Effect.fail(new Error(`no such signal: ${signal}`))
    const ending = yield* endMarked({ ...run, signal })
    yield* writeText(1, `${yield* Schema.encodeEffect(KillReport)(ending)}\n`)
    return 0
  }).pipe(Effect.catch((error) => Effect.as(Effect.ignore(writeText(2, `kill: ${error.message}\n`)), 1)))
