/** A guard: reads its caller's lines from stdin, and kills the runs if stdin ends before the caller has released it. */

import { createReadStream } from "node:fs"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import {
  GuardRequest,
  ping,
  pong,
  releasedReply,
  releaseMessage,
  runsToKill
} from "../../src/executor/GuardProtocol.ts"
import { endMarked } from "../../src/executor/MarkedProcesses.ts"
import { writeStderr, writeText } from "../Output.ts"

const decodeRequest = Schema.decodeUnknownEffect(Schema.fromJsonString(GuardRequest))

/**
 * Serves one guard request: the first argument. The others are lines that the caller wrote before this process started. Its stdin is read,
 * whatever kind of file it is.
 */
export const guardRunCommand = ([text = "", ...before]: ReadonlyArray<string>): Effect.Effect<number> =>
  Effect.gen(function* () {
    const request = yield* decodeRequest(text)
    const { after } = request
    const lines = [...before]
    const isReleased = yield* Effect.raceAllFirst([
      awaitRelease((line) => lines.push(line)),
      Effect.as(after === undefined ? Effect.never : Effect.sleep(after), false)
    ])
    if (isReleased) yield* writeText(1, releasedReply)
    else yield* endMarked(runsToKill(request, lines))
    return 0
  }).pipe(Effect.catch((error) => Effect.as(writeStderr(`guard: ${error.message}\n`), 1)))

/** Waits until the caller releases the guard (`true`) or is gone (`false`). Answers its pings, and passes its other lines to `onLine`. */
const awaitRelease = (onLine: (line: string) => void) =>
  Effect.callback<boolean>((resume) => {
    let text = ""
    const stdin = createReadStream("", { fd: 0, autoClose: false })
    stdin.on("data", (chunk) => {
      text += chunk.toString("latin1")
      for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n")) {
        const line = text.slice(0, end + 1)
        text = text.slice(end + 1)
        if (line === releaseMessage) resume(Effect.succeed(true))
        else if (line === ping) Effect.runFork(Effect.ignore(writeText(1, pong)))
        else onLine(line.trimEnd())
      }
    })
    stdin.on("error", () => resume(Effect.succeed(false)))
    stdin.on("end", () => resume(Effect.succeed(false)))
    return Effect.sync(() => stdin.destroy())
  })
