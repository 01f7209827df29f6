/** Proves the end of a command. */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type { DockerEngine } from "../../engine/DockerEngine.ts"
import type { ExecInspect } from "../../engine/EngineSchemas.ts"
import type { ExecSpec } from "../ExecSpec.ts"
import { ContainerStopped, type ExecutorError, OutcomeUnknown } from "../ExecutorErrors.ts"
import { isGone, stillRuns } from "./stillRuns.ts"

type Engine = DockerEngine["Service"]

/** The exit code of engines for a command that did not start, among others. */
const notStartedCode = 126

/** Whether an event proves the exit code 126: the event of an exec's end has the runtime's code. It follows shortly after the stream's end. */
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
 * Returns the exit code after the engine has reported that the command ended. The end of the stream proves nothing. The engine marks an exec
 * as ended before it closes its stream, and keeps the stream open while the command runs, even if the command has closed its outputs
 * (engines 20.10 and 28.5). So if a stream ends while the command runs, the connection was lost, and output is missing. `seen`: the
 * engine's last report before the end of the stream.
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
  // An engine that can't deliver a command's output reports that it ended with 126, though it still runs.
  if (exec.ExitCode === notStartedCode && !(yield* isProven(engine, container, execId))) return yield* cut
  // KILL may come from inside the container, or from the container's end, which the engine may report later. Only the latter cuts the
  // command off.
  if (exec.ExitCode === null || exec.ExitCode === 137) {
    if (!(yield* stillRuns(engine, container))) return yield* stopped
  }
  if (exec.ExitCode === null) return yield* new OutcomeUnknown({ detail: "the engine reported no exit code" })
  return exec.ExitCode
})
