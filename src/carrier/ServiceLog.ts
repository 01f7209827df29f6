/**
 * Carries a helper's frames over Swarm's service logs: one way, no network of its own.
 *
 * What a log does and this makes good: a follow that was opened while the task started can miss it; a follow never ends
 * by itself; it dies when the leader changes; a log read again begins from the start. So a log is read again whenever
 * frames are missing, and frames that were seen are dropped.
 */
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { DemuxError } from "../engine/Demux.ts"
import { isNotFound, isSilent, type SwarmFailure } from "../engine/EngineErrors.ts"
import { Swarm } from "../engine/Swarm.ts"
import { Brake } from "../internal/Brake.ts"
import type { ChannelFrame } from "./Frame.ts"
import { FrameReader } from "./FrameReader.ts"

/** How long a running sender may be silent before the log is opened again. */
const missedStart = 400
/** How long the log's last lines may take after the sender's end. */
const lastLines = 300
/** How often the whole log is read after the sender's end. */
const finalReads = 3
/** Readings in a row without a new frame. */
const maxFruitless = 60
/** The same for a log that the managers can't read just now, a second apart. */
const interruptedReads = 20
/** How long a log that is read to its end may be silent. */
const silence = 10_000

/** What is known of the sender from elsewhere. */
export interface Sender<E> {
  /** The service whose log carries the frames. */
  readonly service: string
  /** How many commands it reports on. */
  readonly commands: number
  /** Done when the sender runs or has run. */
  readonly running: Effect.Effect<void, E>
  /** Done when the sender has ended. */
  readonly ended: Effect.Effect<void, E>
}

/** What came in, and how it ended. `end` is for the time after the stream's end. */
export interface Received<E> {
  /** Each frame once, in order. Ends after the last record, or when nothing more can come. */
  readonly frames: Stream.Stream<ChannelFrame, E>
  /** The last record was seen. */
  readonly isComplete: () => boolean
  /** Bytes of log that came in. */
  readonly bytes: () => number
  /** The last that was in the log beside frames, on one line. */
  readonly lastWords: () => string
}

const sizeOf = ({ frame }: ChannelFrame): number =>
  frame._tag === "Stdout" || frame._tag === "Stderr" ? frame.data.length : 0

/** Receives the frames of one sender. The scope ends the reading. */
export const receive = Effect.fnUntraced(function* <E>(
  sender: Sender<E>
): Effect.fn.Return<Received<E | SwarmFailure>, never, Swarm | Scope.Scope> {
  const swarm = yield* Swarm
  const reader = new FrameReader(sender.commands)
  const queue = yield* Queue.unbounded<ChannelFrame, E | SwarmFailure | Cause.Done>()
  const brake = new Brake()
  let chunks = 0

  // A stream that is cut in the middle of a record is a broken connection: the log is read again.
  const push = (chunk: Uint8Array) => {
    try {
      return reader.push(chunk)
    } catch (error) {
      if (error instanceof DemuxError) return undefined
      throw error
    }
  }
  // What the reader accepted is in the queue before anything can interrupt; only then the consumer is waited for.
  const take = (chunk: Uint8Array) =>
    Effect.suspend(() => {
      chunks++
      const frames = push(chunk)
      if (frames === undefined) return Effect.succeed(false)
      for (const frame of frames) brake.held(sizeOf(frame))
      Queue.offerAllUnsafe(queue, frames)
      return Effect.as(brake.wait, !reader.complete && !reader.gap)
    })

  /** Done when nothing came for so long, and not because the consumer is slow. */
  const idle = Effect.fnUntraced(function* (millis: number) {
    let before: number
    do {
      before = chunks
      yield* Effect.sleep(millis)
    } while (chunks !== before || brake.isOn)
  })

  const read = (follow: boolean) =>
    Effect.gen(function* () {
      const log = yield* swarm.serviceLogs(sender.service, { follow })
      reader.reopened()
      yield* Stream.runForEachWhile(log, take)
    }).pipe(
      Effect.scoped,
      // Somebody removed the service: there is no log any more.
      Effect.catchIf(isNotFound, () => Effect.void)
    )

  const silent = sender.running.pipe(
    Effect.andThen(Effect.sleep(missedStart)),
    Effect.andThen(Effect.suspend(() => (reader.accepted === 0 ? Effect.void : Effect.never)))
  )

  const live = Effect.gen(function* () {
    let fruitless = 0
    while (!reader.complete) {
      const before = reader.accepted
      const failed = yield* read(true).pipe(
        Effect.as(undefined),
        Effect.catch((error) => Effect.succeed(error)),
        Effect.raceFirst(Effect.as(silent, undefined))
      )
      if (reader.complete) return
      fruitless = reader.accepted > before ? 0 : fruitless + 1
      if (failed !== undefined && (fruitless > maxFruitless || isSilent(failed))) return yield* failed
      yield* Effect.sleep(Math.min(50 * 2 ** fruitless, 1000))
    }
  })

  const afterEnd = Effect.gen(function* () {
    yield* sender.ended
    yield* idle(lastLines)
  })

  const everything = Effect.gen(function* () {
    yield* Effect.raceFirst(live, afterEnd)
    // Managers that are between two leaders can't read a log, and say so in it.
    for (let tries = 0; !reader.complete && tries < (reader.interrupted ? interruptedReads : finalReads); tries++) {
      yield* read(false).pipe(Effect.raceFirst(idle(silence)))
      if (!reader.complete) yield* Effect.sleep(reader.interrupted ? 1000 : lastLines)
    }
  })

  yield* everything.pipe(
    Effect.matchCauseEffect({
      onFailure: (cause) => Queue.failCause(queue, cause),
      onSuccess: () => Queue.end(queue)
    }),
    Effect.forkScoped
  )
  return {
    frames: Stream.fromQueue(queue).pipe(
      Stream.mapArray((frames) => {
        for (const frame of frames) brake.taken(sizeOf(frame))
        return frames
      })
    ),
    isComplete: () => reader.complete,
    bytes: () => reader.bytes,
    lastWords: () => reader.lastWords
  }
})
