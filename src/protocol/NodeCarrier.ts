/** What carries the frames of an executor to its caller, as the executor sees it: a tunnel, or a log that a tunnel may follow. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import { encodeDocument, type Frame } from "../carrier/Frame.ts"
import type { Channel, Tunnel, TunnelLost } from "../carrier/Tunnel.ts"
import { OutcomeUnknown } from "../executor/ExecutorErrors.ts"
import type { TunnelNeed } from "../helper/HelperRequest.ts"
import { once } from "../internal/Once.ts"

/** Carries frames to the caller. */
export interface NodeCarrier<E> {
  /** Sends frames about a command (1, 2, …), or about all of them (0); done when there is room for more. */
  readonly send: (channel: number, frames: ReadonlyArray<Frame>) => Effect.Effect<void, E | TunnelLost>
  /** The way from the caller: waits until it is there, for ever where there will be none. Fails when it can't be made. */
  readonly tunnel: Effect.Effect<Tunnel, TunnelLost>
  /** The tunnel, once frames go by it. */
  readonly current: () => Tunnel | undefined
}

/** Sends a frame over a channel. */
const tellOver =
  (channel: Omit<Channel, "close">) =>
  (frame: Frame): Effect.Effect<void, TunnelLost> => {
    switch (frame._tag) {
      case "Stdout":
        return channel.write("stdout", frame.data)
      case "Stderr":
        return channel.write("stderr", frame.data)
      default:
        return channel.send(encodeDocument(frame))
    }
  }

/** A caller that is there already. */
export const byTunnel = (tunnel: Tunnel): NodeCarrier<never> => ({
  send: (channel, frames) =>
    Effect.forEach(frames, tellOver(channel === 0 ? tunnel : tunnel.channel(channel)), { discard: true }),
  tunnel: Effect.succeed(tunnel),
  current: () => tunnel
})

/** A log. */
export interface Log<E> {
  /** Writes frames, in order; gives how many bytes of log they took. */
  readonly write: (channel: number, frames: ReadonlyArray<Frame>) => Effect.Effect<number, E>
}

/** Bytes of log that a helper may write: they take disk space on its node until it is removed. */
const logLimit = 6 * 1024 ** 3

/** A log that takes no more output when it has so many bytes; what is no output still goes through. */
const limited = <E>({ write }: Log<E>): Log<E | OutcomeUnknown> => {
  let bytes = 0
  return {
    write: (channel, frames) => {
      const isOutput = frames.some(({ _tag }) => _tag === "Stdout" || _tag === "Stderr")
      if (bytes > logLimit && isOutput) {
        const detail = `it wrote more than ${logLimit} bytes to the log of its helper, which takes no more; it was ended`
        return Effect.fail(new OutcomeUnknown({ detail }))
      }
      return Effect.tap(write(channel, frames), (written) =>
        Effect.sync(() => {
          bytes += written
        })
      )
    }
  }
}

/** Where nobody can reach the executor. */
export const byLog = <E>(log: Log<E>): NodeCarrier<E | OutcomeUnknown> => {
  const { write } = limited(log)
  return {
    send: (channel, frames) => Effect.asVoid(write(channel, frames)),
    tunnel: Effect.never,
    current: () => undefined
  }
}

/** Bytes of log from which output is said to outgrow it: it then moves to the tunnel. */
export const logRoom = 1024 * 1024

/** Whether a run needs its tunnel, by the frames that are next in its log, and by the bytes of the log so far. */
export const isTunnelNeeded = (from: TunnelNeed, frames: ReadonlyArray<Frame>, bytes: number): boolean =>
  from === "start" || bytes >= logRoom || (from === "command" && frames.some(({ _tag }) => _tag === "Started"))

/** Bytes that a log gets in a millisecond from then on: an engine passes on 10 MB/s of each task's log (`controller.go`). */
const logRate = 8 * 1024

/** The tunnel that may follow a log. */
export interface WayIn {
  readonly from: TunnelNeed
  /** Makes it; done when the caller is there. `tell` tells the caller what it must know for that. */
  readonly open: (tell: (frame: Frame) => Effect.Effect<void>) => Effect.Effect<Tunnel, TunnelLost, Scope.Scope>
}

/**
 * Begins with the log. When the tunnel is there, the log's last frame is `Moved`, and everything after it goes by the tunnel: so the
 * caller gets each frame once and in order.
 */
export const byLogThenTunnel = Effect.fnUntraced(function* <E>(
  raw: Log<E>,
  { from, open }: WayIn
): Effect.fn.Return<NodeCarrier<E | OutcomeUnknown>, never, Scope.Scope> {
  const log = limited(raw)
  const order = yield* Semaphore.make(1)
  const needed = Deferred.makeUnsafe<void>()
  let moved: NodeCarrier<never> | undefined
  let bytes = 0
  const write = (channel: number, frames: ReadonlyArray<Frame>) =>
    Effect.flatMap(log.write(channel, frames), (written) => {
      bytes += written
      if (isTunnelNeeded(from, frames, bytes)) Deferred.doneUnsafe(needed, Effect.void)
      return bytes < logRoom ? Effect.void : Effect.sleep(written / logRate)
    })
  const send = (channel: number, frames: ReadonlyArray<Frame>): Effect.Effect<void, E | OutcomeUnknown | TunnelLost> =>
    Effect.suspend(() => {
      if (moved !== undefined) return moved.send(channel, frames)
      const inTurn = Effect.suspend(() => (moved === undefined ? Effect.as(write(channel, frames), true) : no))
      return Effect.flatMap(order.withPermits(1)(inTurn), (isDone) =>
        isDone || moved === undefined ? Effect.void : moved.send(channel, frames)
      )
    })
  // A log that can't be written to shows with the next frame.
  const tell = (frame: Frame) => Effect.ignore(send(0, [frame]))
  const move = Effect.gen(function* () {
    if (from !== "start") yield* Deferred.await(needed)
    const tunnel = yield* open(tell)
    const change = Effect.andThen(
      Effect.ignore(write(0, [{ _tag: "Moved" }])),
      Effect.sync(() => {
        moved = byTunnel(tunnel)
      })
    )
    yield* order.withPermits(1)(Effect.uninterruptible(change))
    return tunnel
  })
  // Output that can't move goes on by the log.
  const tunnel = yield* once(from === "output" ? Effect.catch(move, () => Effect.never) : move)
  yield* Effect.forkScoped(Effect.ignore(tunnel))
  return { send, tunnel, current: () => moved?.current() }
})

const no = Effect.succeed(false)
