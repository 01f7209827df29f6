/** Whether a command started, and what the engine says where it did not. */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import type { DockerEngine } from "../../engine/DockerEngine.ts"
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
 * A command that can't be started gets its complaint written to stdout by the engine, with HTTP 200. Only inspect
 * tells: an exit code without a PID. Until one of the two is known nothing of the stream is taken for output.
 */
export const whetherItRan = Effect.fnUntraced(function* (engine: Engine, execId: string) {
  const state = yield* engine.inspectExec(execId).pipe(
    Effect.repeat({
      schedule: Schedule.spaced("5 millis"),
      until: (exec) => exec.Pid > 0 || exec.ExitCode !== null
    }),
    Effect.timeoutOrElse({
      duration: startPatience,
      orElse: () => new OutcomeUnknown({ detail: "the engine did not say whether the command started" })
    })
  )
  return state.Pid > 0
})

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
