/** What a guard does: waits for its caller's word on stdin, and ends the run if the caller goes away without. */

import { createReadStream } from "node:fs"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { GuardRequest, release, released } from "../../src/executor/GuardProtocol.ts"
import { endMarked } from "../../src/executor/MarkedProcesses.ts"
import { writeText } from "../Output.ts"

const decodeRequest = Schema.decodeUnknownEffect(Schema.fromJsonString(GuardRequest))

/** Serves one guard request. Its stdin is read whatever it is, and whatever became of it. */
export const guardRunCommand = (text: string): Effect.Effect<number> =>
  Effect.gen(function* () {
    const { after, run } = yield* decodeRequest(text)
    const isReleased = yield* after === undefined
      ? callersWord
      : Effect.raceFirst(callersWord, Effect.as(Effect.sleep(after), false))
    if (isReleased) yield* writeText(1, released)
    else yield* endMarked(run)
    return 0
  }).pipe(Effect.catch((error) => Effect.as(Effect.ignore(writeText(2, `guard: ${error.message}\n`)), 1)))

/** Whether the caller let the guard go, or went away. */
const callersWord = Effect.callback<boolean>((resume) => {
  let text = ""
  const stdin = createReadStream("", { fd: 0, autoClose: false })
  stdin.on("data", (chunk) => {
    text = (text + chunk.toString("latin1")).slice(0, release.length)
    if (text === release) resume(Effect.succeed(true))
  })
  stdin.on("error", () => resume(Effect.succeed(false)))
  stdin.on("end", () => resume(Effect.succeed(false)))
  return Effect.sync(() => stdin.destroy())
})
