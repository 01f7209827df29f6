/**
 * The line to one command of a helper. Its frames arrive by the service log and, after the helper has moved, by the tunnel. Messages to the
 * helper need the tunnel.
 */
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import { type Channel, TunnelLost } from "../carrier/Channel.ts"
import { type Frame, isEnd } from "../carrier/Frame.ts"
import type { Tunnel } from "../carrier/Tunnel.ts"
import { summaryOf } from "../engine/Hints.ts"
import { BackpressureGate } from "../internal/BackpressureGate.ts"
import { framesOf, type Line, type LineError } from "../protocol/Line.ts"

/** The frames of one channel that arrive by the log. */
export interface Inbox<E> {
  readonly queue: Queue.Queue<Frame, E | LineError | Cause.Done>
  readonly gate: BackpressureGate
  /** Bytes of output that are not consumed yet. */
  waiting: number
  /** Whether the consumer has left: more frames are dropped. */
  isOver: boolean
  /** Whether the end record arrived by the log: no frame follows by the tunnel. */
  hasEnded: boolean
}

/** Makes an empty inbox. */
export const makeInbox = <E>(): Inbox<E> => ({
  queue: Effect.runSync(Queue.unbounded<Frame, E | LineError | Cause.Done>()),
  gate: new BackpressureGate(),
  waiting: 0,
  isOver: false,
  hasEnded: false
})

/** Adds a frame to an inbox. Waits while too much output is not consumed. */
export const deliver = <E>(inbox: Inbox<E>, frame: Frame): Effect.Effect<void> => {
  if (inbox.isOver) return Effect.void
  Queue.offerUnsafe(inbox.queue, frame)
  if (isEnd(frame)) {
    inbox.hasEnded = true
    Queue.endUnsafe(inbox.queue)
  }
  if (frame._tag !== "Stdout" && frame._tag !== "Stderr") return Effect.void
  inbox.waiting += frame.data.length
  inbox.gate.add(frame.data.length)
  return inbox.gate.await
}

/** Options of {@link helperLine}. */
export interface HelperLineOptions<E> {
  /** 1, 2, … for a command, 0 for the helper itself. */
  readonly channel: number
  readonly inbox: Inbox<E>
  /** The tunnel to the helper. Fails if the tunnel or the helper fails. */
  readonly tunnel: Effect.Effect<Tunnel, E>
  /** Completes when the helper runs, or when it is certain that it will not run. */
  readonly running: Effect.Effect<void>
  readonly hasFailed: () => boolean
  /** Whether the helper has moved to its tunnel. */
  readonly hasMoved: () => boolean
  /** Completes when the command needs the tunnel: if the tunnel then fails, the line fails, too. `undefined`: it never needs the tunnel. */
  readonly tunnelNeeded: Effect.Effect<void> | undefined
  /** Called before each message is sent. */
  readonly onSend: () => void
}

/** Returns the line to a command, or to the helper itself. */
export const helperLine = <E extends { readonly message: string; readonly summary?: string }>({
  channel,
  hasFailed,
  hasMoved,
  inbox,
  onSend,
  running,
  tunnel,
  tunnelNeeded
}: HelperLineOptions<E>): Line<E> => {
  let open: Channel | undefined
  const channelOf = Effect.map(tunnel, (made): Channel => {
    open ??= channel === 0 ? { ...made, close: Effect.void } : made.channel(channel)
    return open
  })
  const opening = Effect.mapError(channelOf, (error) => new TunnelLost({ detail: summaryOf(error) }))
  // An open channel is used directly, which saves a race of fibers for each piece of input.
  const ready = Effect.suspend(() => (open === undefined || hasFailed() ? opening : Effect.succeed(open)))
  const byTunnel = Stream.unwrap(
    Effect.gen(function* () {
      if (inbox.hasEnded || !hasMoved()) return Stream.empty
      return framesOf(yield* channelOf)
    })
  )
  const byLog = Stream.fromQueue(inbox.queue)
  return {
    incoming: Stream.concat(
      tunnelNeeded === undefined
        ? byLog
        : Stream.interruptWhen(byLog, Effect.andThen(tunnelNeeded, Effect.andThen(channelOf, Effect.never))),
      byTunnel
    ),
    consumed: (stream, bytes) =>
      Effect.suspend(() => {
        const own = Math.min(bytes, inbox.waiting)
        inbox.waiting -= own
        inbox.gate.remove(own)
        return own === bytes || open === undefined ? Effect.void : open.consumed(stream, bytes - own)
      }),
    running,
    isOpen: () => open !== undefined && hasMoved(),
    send: (text) =>
      Effect.flatMap(ready, (made) => {
        onSend()
        return made.send(text)
      }),
    write: (stream, data) => Effect.flatMap(ready, (made) => made.write(stream, data)),
    end: (stream) => Effect.flatMap(ready, (made) => made.end(stream)),
    close: Effect.suspend(() => {
      inbox.isOver = true
      inbox.gate.openForGood()
      return open?.close ?? Effect.void
    })
  }
}
