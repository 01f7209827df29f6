/** Finds out whether a command started, and the engine's reason if it did not. */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import type { DockerEngine } from "../../engine/DockerEngine.ts"
import type { EngineFailure } from "../../engine/EngineErrors.ts"
import type { ExecInspect } from "../../engine/EngineSchemas.ts"
import type { ExecConnection } from "../../engine/ExecRequests.ts"
import type { ExecSpec } from "../ExecSpec.ts"
import { OutcomeUnknown } from "../ExecutorErrors.ts"
import { complained } from "../Refusal.ts"
import { pieces } from "./Output.ts"
import { isGone } from "./stillRuns.ts"

type Engine = DockerEngine["Service"]

/** The time in which the engine must start a command. */
const startTimeout = "60 seconds"
/** The time in which the engine must start a command whose caller was interrupted. */
const interruptedStartTimeout = "10 seconds"
/** The most bytes of the engine's reason. */
const complaintBytes = 4096

/**
 * Milliseconds until the first check of a command without output, the longest pause, and the growth of the pause. Each check costs a
 * connection, and frequent checks slow down an engine that starts many commands at once.
 */
const quietPause = 15
const longestPause = 250
const pauseGrowth = 1.125
/** Milliseconds between two checks of a command with output. */
const outputPause = 5

/**
 * Waits until the engine reports that the command started or ended. If a command can't be started, the engine writes the reason to stdout,
 * with HTTP 200. Only inspect shows it: an exit code without a PID. Until then, nothing of the stream counts as output.
 *
 * Inspects the command as soon as it has output, because a command that ends at once has ended by then.
 */
export const awaitStart = (
  engine: Engine,
  execId: string,
  { arrival }: ExecConnection
): Effect.Effect<ExecInspect, EngineFailure | OutcomeUnknown> =>
  Effect.gen(function* () {
    let hasOutput = false
    const awaitOutput = Effect.andThen(
      arrival,
      Effect.sync(() => {
        hasOutput = true
      })
    )
    for (let pause = quietPause; ; pause = Math.min(pause * pauseGrowth, longestPause)) {
      yield* hasOutput ? Effect.sleep(outputPause) : Effect.raceFirst(awaitOutput, Effect.sleep(pause))
      const exec = yield* engine.inspectExec(execId)
      if (hasStarted(exec) || exec.ExitCode !== null) return exec
    }
  }).pipe(
    Effect.timeoutOrElse({
      duration: startTimeout,
      orElse: () => new OutcomeUnknown({ detail: "the engine did not report whether the command started" })
    })
  )

/**
 * Waits until the engine has started the command or reports that it won't run. Returns `false` if that stays unknown: the engine can't be
 * reached, or takes too long.
 */
export const awaitSettled = (engine: Engine, execId: string): Effect.Effect<boolean> =>
  engine.inspectExec(execId).pipe(
    // The engine forgets the exec with its container.
    Effect.map((exec) => hasStarted(exec) || exec.ExitCode !== null),
    Effect.catchIf(isGone, () => Effect.succeed(true)),
    Effect.repeat({
      schedule: Schedule.spaced("50 millis").pipe(Schedule.upTo({ duration: interruptedStartTimeout })),
      until: (settled) => settled
    }),
    Effect.orElseSucceed(() => false)
  )

/** Whether the command ran, or runs. */
export const hasStarted = ({ Pid }: ExecInspect): boolean => Pid > 0

/** Fails with the reason that the engine wrote instead of the command's output. */
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
