/**
 * Receives a helper's frames from Swarm's service log. The log needs no network, and carries frames in one direction only.
 *
 * A log that is followed while the task starts may miss the task. A followed log never ends by itself, and breaks when the leader changes.
 * A log that is opened again starts from its first line. So the log is opened again whenever frames are missing, and repeated frames are
 * dropped.
 */
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { DemuxError } from "../engine/Demux.ts"
import { isNotFound, isSilent, type SwarmFailure } from "../engine/EngineErrors.ts"
import { Swarm } from "../engine/Swarm.ts"
import { BackpressureGate } from "../internal/BackpressureGate.ts"
import type { ChannelFrame } from "./Frame.ts"
import { FrameReader } from "./FrameReader.ts"

/** Milliseconds without a frame from a running sender after which the log is opened again. */
const reopenAfter = 400
/** Milliseconds within which the log's last lines must arrive after the sender has ended. */
const lastLines = 300
/** The number of times that the whole log is read after the sender has ended. */
const finalReads = 3
/** The most reads in a row without a new frame. */
const maxEmptyReads = 60
/** The most reads, one second apart, of a log that the managers can't read at the moment. */
const interruptedReads = 20
/** Milliseconds without a chunk after which a read of the whole log is given up. */
const silence = 10_000
/** Milliseconds without a chunk after which a read of a followed log, which has no end, is given up. */
const followedSilence = 2000

/** The sender of the frames. */
export interface Sender<E> {
  /** The service whose log carries the frames. */
  readonly service: string
  /** The number of commands on which the sender reports. */
  readonly commands: number
  /** Completes when the sender runs or has run. */
  readonly running: Effect.Effect<void, E>
  /** Completes when the sender has ended. */
  readonly ended: Effect.Effect<void, E>
}

/** The frames of a sender. Read `isComplete` and `lastOtherLine` after `frames` has ended. */
export interface Received<E> {
  /** Each frame once, in order. Ends after the last frame, or when no other frame can arrive. */
  readonly frames: Stream.Stream<ChannelFrame, E>
  /** Whether the last frame has arrived. */
  readonly isComplete: () => boolean
  /** The number of bytes of the received frames in the log. */
  readonly bytes: () => number
  /** The last line of the log that is not a frame. */
  readonly lastOtherLine: () => string
}

const sizeOf = ({ frame }: ChannelFrame): number =>
  frame._tag === "Stdout" || frame._tag === "Stderr" ? frame.data.length : 0

/** Receives the frames of one sender until the scope closes. */
export const receive = Effect.fnUntraced(function* <E>(
  sender: Sender<E>
): Effect.fn.Return<Received<E | SwarmFailure>, never, Swarm | Scope.Scope> {
  const swarm = yield* Swarm
  const reader = new FrameReader(sender.commands)
  const queue = yield* Queue.unbounded<ChannelFrame, E | SwarmFailure | Cause.Done>()
  const gate = new BackpressureGate()
  let chunks = 0

  // Returns `undefined` if the stream ends within a record: the connection is broken, and the log is read again.
  const push = (chunk: Uint8Array) => {
    try {
      return reader.push(chunk)
    } catch (error) {
      if (error instanceof DemuxError) return undefined
      throw error
    }
  }
  // Accepted frames enter the queue at once, so that no interruption can lose them. Only then does this wait for the consumer.
  const take = (chunk: Uint8Array) =>
    Effect.suspend(() => {
      chunks++
      const frames = push(chunk)
      if (frames === undefined) return Effect.succeed(false)
      for (const frame of frames) gate.add(sizeOf(frame))
      Queue.offerAllUnsafe(queue, frames)
      return Effect.as(gate.await, !reader.complete && !reader.gap)
    })

  /** Completes after this time without a chunk. Time in which the reader waits for the consumer does not count. */
  const idle = Effect.fnUntraced(function* (millis: number) {
    let before: number
    do {
      before = chunks
      yield* Effect.sleep(millis)
    } while (chunks !== before || gate.isClosed)
  })

  const read = Effect.fnUntraced(
    function* (follow: boolean) {
      const log = yield* swarm.serviceLogs(sender.service, { follow })
      reader.reopened()
      yield* Stream.runForEachWhile(log, take)
    },
    Effect.scoped,
    // Not found: another program has removed the service and its log.
    Effect.catchIf(isNotFound, () => Effect.void)
  )

  const silent = sender.running.pipe(
    Effect.andThen(Effect.sleep(reopenAfter)),
    Effect.andThen(Effect.suspend(() => (reader.accepted === 0 ? Effect.void : Effect.never)))
  )

  const live = Effect.gen(function* () {
    let emptyReads = 0
    while (!reader.complete) {
      const before = reader.accepted
      const failed = yield* read(true).pipe(
        Effect.as(undefined),
        Effect.catch((error) => Effect.succeed(error)),
        Effect.raceFirst(Effect.as(silent, undefined))
      )
      if (reader.complete) return
      emptyReads = reader.accepted > before ? 0 : emptyReads + 1
      if (failed !== undefined && (emptyReads > maxEmptyReads || isSilent(failed))) return yield* failed
      yield* Effect.sleep(Math.min(50 * 2 ** emptyReads, 1000))
    }
  })

  const afterEnd = Effect.gen(function* () {
    yield* sender.ended
    yield* idle(lastLines)
  })

  const everything = Effect.gen(function* () {
    yield* Effect.raceFirst(live, afterEnd)
    // Managers can't read a log while there is no leader. They can't read it to its end if a node was unreachable for a while, but they can
    // follow it. They report both in the log.
    for (let tries = 0; !reader.complete && tries < (reader.interrupted ? interruptedReads : finalReads); tries++) {
      const follow = reader.interrupted
      yield* read(follow).pipe(Effect.raceFirst(idle(follow ? followedSilence : silence)))
      if (!reader.complete) yield* Effect.sleep(reader.interrupted ? 1000 : lastLines)
    }
  })

  yield* everything.pipe(Queue.into(queue), Effect.forkScoped)
  return {
    frames: Stream.fromQueue(queue).pipe(
      Stream.mapArray((frames) => {
        for (const frame of frames) gate.remove(sizeOf(frame))
        return frames
      })
    ),
    isComplete: () => reader.complete,
    bytes: () => reader.bytes,
    lastOtherLine: () => reader.lastOtherLine
  }
})
