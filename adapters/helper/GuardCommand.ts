/**
 * The guard: waits for its caller's message on stdin, and kills the runs if the caller ends without one, or if the guard itself is told to
 * end.
 */

import { createReadStream } from "node:fs"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { GuardRequest, present, question, release, released } from "../../src/executor/GuardProtocol.ts"
import { endMarked } from "../../src/executor/MarkedProcesses.ts"
import { say, writeText } from "../Output.ts"
import { SignalHandlers } from "../RunMain.ts"

const decodeRequest = Schema.decodeUnknownEffect(Schema.fromJsonString(GuardRequest))

/** Serves one guard request. Reads stdin to its end even if the request fails. */
export const guardRunCommand = (text: string): Effect.Effect<number> =>
  Effect.gen(function* () {
    const { after, runs } = yield* decodeRequest(text)
    const isReleased = yield* Effect.raceAllFirst([
      isDismissed,
      Effect.as(after === undefined ? Effect.never : Effect.sleep(after), false),
      Effect.as(toldToEnd, false)
    ])
    if (isReleased) yield* writeText(1, released)
    else yield* endMarked(runs)
    return 0
  }).pipe(Effect.catch((error) => Effect.as(say(`guard: ${error.message}\n`), 1)))

/** `gc --run` removes a guard to end its run. */
const toldToEnd = Effect.flatMap(SignalHandlers, (handlers) =>
  Effect.callback<void>((resume) => {
    handlers.current = () => {
      resume(Effect.void)
      return true
    }
  })
)

/** Returns true when the caller dismisses the guard, and false when it ends without that. Answers the caller's questions meanwhile. */
const isDismissed = Effect.callback<boolean>((resume) => {
  let text = ""
  const stdin = createReadStream("", { fd: 0, autoClose: false })
  stdin.on("data", (chunk) => {
    text += chunk.toString("latin1")
    for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n")) {
      const line = text.slice(0, end + 1)
      text = text.slice(end + 1)
      if (line === release) resume(Effect.succeed(true))
      if (line === question) Effect.runFork(Effect.ignore(writeText(1, present)))
    }
  })
  stdin.on("error", () => resume(Effect.succeed(false)))
  stdin.on("end", () => resume(Effect.succeed(false)))
  return Effect.sync(() => stdin.destroy())
})
