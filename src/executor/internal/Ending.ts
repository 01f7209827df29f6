/** A command's end, as the engine proves it. */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type { DockerEngine } from "../../engine/DockerEngine.ts"
import type { ExecInspect } from "../../engine/EngineSchemas.ts"
import type { ExecSpec } from "../ExecSpec.ts"
import { ContainerStopped, type ExecutorError, OutcomeUnknown } from "../ExecutorErrors.ts"
import { isGone, stillRuns } from "./stillRuns.ts"

type Engine = DockerEngine["Service"]

/** The exit code with which engines say that a command did not start, and other things too. */
const notStartedCode = 126

/** The event of an exec's end has the code that the runtime reported. It comes a moment after the stream's end. */
const isProven = (engine: Engine, container: string, execId: string) =>
  engine.pastEvents({ container: [container], event: ["exec_die"] }).pipe(
    Effect.map((events) =>
      events.some(
        ({ Actor }) => Actor.Attributes.execID === execId && Actor.Attributes.exitCode === String(notStartedCode)
      )
    ),
    Effect.repeat({
      schedule: Schedule.spaced("50 millis").pipe(Schedule.upTo({ duration: "2 seconds" })),
      until: (proven) => proven
    })
  )

/**
 * The exit code, once the engine says that the command ended; the stream's end alone proves nothing. The engine marks an
 * exec as ended before it closes its stream, and keeps the stream open as long as the command runs, even if the command
 * closed its outputs (asked of 20.10 and 28.5): a stream that is over while the command runs was cut, and output is lost.
 * `seen`: what it said of the command before the stream's end, which may have been its end.
 */
export const awaitExit = Effect.fnUntraced(function* (
  engine: Engine,
  execId: string,
  spec: ExecSpec,
  seen: ExecInspect
) {
  const { container } = spec
  const stopped = new ContainerStopped({ container })
  const cut = new OutcomeUnknown({ detail: "the connection to the engine was lost while the command ran" })
  // The engine forgets the exec with its container.
  const exec =
    seen.ExitCode !== null && !seen.Running
      ? seen
      : yield* engine
          .inspectExec(execId)
          .pipe(Effect.mapError((error): ExecutorError => (isGone(error) ? stopped : error)))
  if (exec.Running) return yield* cut
  // An engine that can't get rid of a command's output calls it ended with 126, though it goes on.
  if (exec.ExitCode === notStartedCode && !(yield* isProven(engine, container, execId))) return yield* cut
  // A KILL comes from inside as well as from the container's end, which the engine may report a moment later: only in
  // the latter case the command was cut off.
  if (exec.ExitCode === null || exec.ExitCode === 137) {
    if (!(yield* stillRuns(engine, container))) return yield* stopped
  }
  if (exec.ExitCode === null) return yield* new OutcomeUnknown({ detail: "the engine reported no exit code" })
  return exec.ExitCode
})
