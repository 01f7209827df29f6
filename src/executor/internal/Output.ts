/** Moves a command's output from the engine's stream to a queue, with backpressure. */
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import { Demux, DemuxError, type Piece } from "../../engine/Demux.ts"
import type { DockerEngine } from "../../engine/DockerEngine.ts"
import type { ExecConnection, Framing } from "../../engine/ExecRequests.ts"
import type { BackpressureGate } from "../../internal/BackpressureGate.ts"
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

/** Returns a splitter of the engine's stream. With a terminal, all of it is one stream. */
export const pieces = (framing: Framing): Pick<Demux, "end" | "push"> =>
  framing === "multiplexed"
    ? new Demux()
    : { push: (data): ReadonlyArray<Piece> => [{ channel: "stdout", data }], end: () => undefined }

/** The output of an engine, and the errors of an output that is not whole. */
export interface EngineOutput<E, Broken> {
  readonly framing: Framing
  readonly output: Stream.Stream<Uint8Array, E>
  /** Returns the error of an output that the engine aborts. `text`: the engine's reason. */
  readonly aborted: (text: string) => Broken
  /** Returns the error of bytes that are not the engine's format. */
  readonly invalid: (detail: string) => Broken
}

/** The output of a command. Its errors leave the outcome unknown. */
export const ofCommand = <E>({ framing, output }: Pick<EngineOutput<E, never>, "framing" | "output">) => ({
  framing,
  output,
  aborted: (text: string) => new OutcomeUnknown({ detail: `the engine aborted the output: ${text}` }),
  invalid: (detail: string) => new OutcomeUnknown({ detail })
})

/** Moves the engine's stream into the queue until it ends, with backpressure. */
export const move = <E, Broken>(
  { aborted, framing, invalid, output }: EngineOutput<E, Broken>,
  queue: Queue.Queue<ExecEvent, ExecutorError | Cause.Done>,
  gate: BackpressureGate
): Effect.Effect<void, E | Broken> => {
  const demux = pieces(framing)
  const take = (chunk: Uint8Array): Effect.Effect<void, Broken> =>
    Effect.suspend(() => {
      for (const { channel, data } of demux.push(chunk)) {
        if (channel === "system") return Effect.fail(aborted(Buffer.from(data).toString("utf8").trim()))
        gate.add(data.length)
        Queue.offerUnsafe(queue, { _tag: channel === "stderr" ? "Stderr" : "Stdout", data })
      }
      return gate.await
    })
  return Stream.runForEach(output, take).pipe(
    Effect.andThen(Effect.sync(() => demux.end())),
    Effect.catchDefect((defect) =>
      defect instanceof DemuxError ? Effect.fail(invalid(defect.message)) : Effect.die(defect)
    )
  )
}

/** Moves the output of a command into the queue. Ends also when the command has ended and the engine does not close its stream. */
export const pump = (
  engine: Engine,
  execId: string,
  connection: ExecConnection,
  queue: Queue.Queue<ExecEvent, ExecutorError | Cause.Done>,
  gate: BackpressureGate
) => Effect.raceFirst(move(ofCommand(connection), queue, gate), watch(engine, execId, gate))

/** Takes the events out of the queue. Adjacent pieces of output that wait for the consumer become one. */
export const drain = (
  queue: Queue.Queue<ExecEvent, ExecutorError | Cause.Done>,
  gate: BackpressureGate
): Stream.Stream<ExecEvent, ExecutorError> =>
  Stream.fromQueue(queue).pipe(
    Stream.mapArray((events) => {
      for (const event of events) if (event._tag === "Stdout" || event._tag === "Stderr") gate.remove(event.data.length)
      return joinPieces(events)
    })
  )

/**
 * Ends when the command has ended and its stream has been silent, because some engines never close the stream (moby#45120). Also opens the
 * gate at the command's end: from then on, the engine must be read at full speed. While the gate is closed, an engine that waits for its
 * reader does not respond to inspect, so a missing response opens the gate, too.
 */
const watch = Effect.fnUntraced(function* (engine: Engine, execId: string, gate: BackpressureGate) {
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
    if (!gate.isClosed && quiet < quietInterval) continue
    quiet = 0
    const response = yield* running
    if (Option.isSome(response) && response.value) continue
    gate.openForGood()
    if (Option.isNone(response)) continue
    let before: number
    do {
      before = gate.total
      yield* Effect.sleep(silence)
    } while (gate.total !== before)
    return
  }
})
