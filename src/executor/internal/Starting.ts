/** Whether a command started, and what the engine says where it did not. */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { DockerEngine } from "../../engine/DockerEngine.ts"
import type { EngineFailure } from "../../engine/EngineErrors.ts"
import type { ExecInspect } from "../../engine/EngineSchemas.ts"
import type { ExecConnection } from "../../engine/ExecRequests.ts"
import type { ExecSpec } from "../ExecSpec.ts"
import { OutcomeUnknown } from "../ExecutorErrors.ts"
import { complained } from "../Refusal.ts"
import { pieces } from "./Output.ts"

type Engine = DockerEngine["Service"]

/** How long the engine may take to start a command. */
const startPatience = "60 seconds"
/** Bytes of an engine's complaint that are kept. */
const complaintBytes = 4096

/**
 * Milliseconds until the first look at a command that has written nothing, until the last one at most, and how much longer each takes
 * than the one before. Each costs a connection: many commands that an engine starts at once wait for it longer where they ask often.
 */
const quietPause = 15
const longestPause = 250
const patienter = 1.125
/** … and at one of which something was heard. */
const heardPause = 5

/**
 * A command that can't be started gets its complaint written to stdout by the engine, with HTTP 200. Only inspect
 * tells: an exit code without a PID. Until one of the two is known nothing of the stream is taken for output.
 *
 * Gives what inspect tells. It is asked when something is heard of the command, as one that ends at once has ended by then.
 */
export const awaitStart = (
  engine: Engine,
  execId: string,
  { arrival }: ExecConnection
): Effect.Effect<ExecInspect, EngineFailure | OutcomeUnknown> =>
  Effect.gen(function* () {
    let heard = false
    const hear = Effect.andThen(
      arrival,
      Effect.sync(() => {
        heard = true
      })
    )
    for (let pause = quietPause; ; pause = Math.min(pause * patienter, longestPause)) {
      yield* heard ? Effect.sleep(heardPause) : Effect.raceFirst(hear, Effect.sleep(pause))
      const exec = yield* engine.inspectExec(execId)
      if (hasStarted(exec) || exec.ExitCode !== null) return exec
    }
  }).pipe(
    Effect.timeoutOrElse({
      duration: startPatience,
      orElse: () => new OutcomeUnknown({ detail: "the engine did not report whether the command started" })
    })
  )

/** Whether the command ran, or runs. */
export const hasStarted = ({ Pid }: ExecInspect): boolean => Pid > 0

/** Fails with what the engine wrote in place of the command's output. */
export const complaint = Effect.fnUntraced(function* (
  engine: Engine,
  spec: ExecSpec,
  { framing, output }: ExecConnection
) {
  const take = pieces(framing)
  let text = ""
  yield* Stream.runForEach(output, (chunk) =>
    Effect.sync(() => {
      for (const piece of take.push(chunk)) {
        if (text.length < complaintBytes) text += Buffer.from(piece.data).toString("utf8")
      }
    })
  )
  return yield* complained(engine, spec, text.trim())
})
