/** Moves a command's output from the engine's stream to a queue, with backpressure. */
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import { Demux, DemuxError, type Piece } from "../../engine/Demux.ts"
import type { DockerEngine } from "../../engine/DockerEngine.ts"
import type { ExecConnection, Framing } from "../../engine/ExecRequests.ts"
import type { Brake } from "../../internal/Brake.ts"
import type { ExecEvent } from "../ExecEvent.ts"
import { type ExecutorError, OutcomeUnknown } from "../ExecutorErrors.ts"
import { joinPieces } from "../joinPieces.ts"

type Engine = DockerEngine["Service"]

/** Milliseconds between two checks of a command that backpressure slows down. */
const tick = 200
/** Milliseconds between two checks of a command without output, in case the engine does not close its stream (moby#45120). */
const quietInterval = 5000
/** Milliseconds of silence after the command's end at which the output counts as complete. */
const silence = 3000

/** Splits the engine's stream. With a terminal, all of it is one stream. */
export const pieces = (framing: Framing): Pick<Demux, "end" | "push"> =>
  framing === "multiplexed"
    ? new Demux()
    : { push: (data): ReadonlyArray<Piece> => [{ channel: "stdout", data }], end: () => undefined }

/** Moves the engine's stream into the queue until it ends. */
export const pump = (
  engine: Engine,
  execId: string,
  { framing, output }: ExecConnection,
  queue: Queue.Queue<ExecEvent, ExecutorError | Cause.Done>,
  brake: Brake
) => {
  const demux = pieces(framing)
  const take = (chunk: Uint8Array) =>
    Effect.suspend(() => {
      for (const { channel, data } of demux.push(chunk)) {
        if (channel === "system") {
          return new OutcomeUnknown({
            detail: `the engine aborted the output: ${Buffer.from(data).toString("utf8").trim()}`
          })
        }
        brake.held(data.length)
        Queue.offerUnsafe(queue, { _tag: channel === "stderr" ? "Stderr" : "Stdout", data })
      }
      return brake.wait
    })
  return Stream.runForEach(output, take).pipe(
    Effect.andThen(Effect.sync(() => demux.end())),
    Effect.raceFirst(watch(engine, execId, brake)),
    Effect.catchDefect((defect) =>
      defect instanceof DemuxError ? new OutcomeUnknown({ detail: defect.message }) : Effect.die(defect)
    )
  )
}

/** Takes the events out of the queue. Adjacent pieces of output that wait for the consumer become one. */
export const drain = (
  queue: Queue.Queue<ExecEvent, ExecutorError | Cause.Done>,
  brake: Brake
): Stream.Stream<ExecEvent, ExecutorError> =>
  Stream.fromQueue(queue).pipe(
    Stream.mapArray((events) => {
      for (const event of events) if (event._tag === "Stdout" || event._tag === "Stderr") brake.taken(event.data.length)
      return joinPieces(events)
    })
  )

/**
 * Ends when the command ended and its stream has been silent: some engines never close it (moby 45120). While the
 * brake is on it also looks for the command's end, as from then on the engine must be read at full speed; an engine
 * that waits for its output to be read does not answer, which tells as much.
 */
const watch = Effect.fnUntraced(function* (engine: Engine, execId: string, brake: Brake) {
  const running = engine.inspectExec(execId).pipe(
    Effect.map((exec) => exec.Running),
    // The exec or its container does not exist: not running. awaitExit finds the reason.
    Effect.catch(() => Effect.succeed(false)),
    Effect.timeoutOption(tick)
  )
  let quiet = 0
  while (true) {
    yield* Effect.sleep(tick)
    quiet += tick
    if (!brake.isOn && quiet < quietInterval) continue
    quiet = 0
    const answer = yield* running
    if (Option.isSome(answer) && answer.value) continue
    brake.release()
    if (Option.isNone(answer)) continue
    let before: number
    do {
      before = brake.total
      yield* Effect.sleep(silence)
    } while (brake.total !== before)
    return
  }
})
