/** The executor's half of a carrier: a tunnel, or a log that a tunnel may follow. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import type { Channel, TunnelLost } from "../carrier/Channel.ts"
import { encodeDocument, type Frame } from "../carrier/Frame.ts"
import type { Tunnel } from "../carrier/Tunnel.ts"
import { OutcomeUnknown } from "../executor/ExecutorErrors.ts"
import type { TunnelNeed } from "../helper/HelperRequest.ts"
import { memoize } from "../internal/memoize.ts"

/** Carries frames to the caller, and the caller's messages to the executor. */
export interface NodeCarrier<E> {
  /** Sends frames about a command (1, 2, …), or about all commands (0). Completes when there is room for more. */
  readonly send: (channel: number, frames: ReadonlyArray<Frame>) => Effect.Effect<void, E | TunnelLost>
  /** The tunnel to the caller. Waits until the caller has connected, and forever if the request has no tunnel. */
  readonly tunnel: Effect.Effect<Tunnel, TunnelLost>
  /** Returns the tunnel if frames are sent over it. */
  readonly current: () => Tunnel | undefined
}

/** Sends a frame over a channel. */
const sendOver =
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

/** Returns the carrier of a caller that has connected. */
export const byTunnel = (tunnel: Tunnel): NodeCarrier<never> => ({
  send: (channel, frames) =>
    Effect.forEach(frames, sendOver(channel === 0 ? tunnel : tunnel.channel(channel)), { discard: true }),
  tunnel: Effect.succeed(tunnel),
  current: () => tunnel
})

/** The log of a helper. */
export interface Log<E> {
  /**
   * Writes frames, in order. Returns their number of bytes in the log. Frames are numbered when a write begins, and two writes at the same time
   * may end in either order, so a carrier makes one write after the other.
   */
  readonly write: (channel: number, frames: ReadonlyArray<Frame>) => Effect.Effect<number, E>
}

/** The most bytes that a helper may write to its log, which takes disk space on its node until the helper is removed. */
const logLimit = 6 * 1024 ** 3

/** Limits a log: output after {@link logLimit} bytes fails. Other frames are still written. */
const limited = <E>({ write }: Log<E>): Log<E | OutcomeUnknown> => {
  let bytes = 0
  return {
    write: (channel, frames) => {
      const isOutput = frames.some(({ _tag }) => _tag === "Stdout" || _tag === "Stderr")
      if (bytes > logLimit && isOutput) {
        const detail = `its output exceeded ${logLimit / 1024 ** 3} GiB, the limit of the helper's log, so the command was killed`
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

/** Returns the carrier of a helper without a tunnel. */
export const byLog = Effect.fnUntraced(function* <E>(raw: Log<E>): Effect.fn.Return<NodeCarrier<E | OutcomeUnknown>> {
  const { write } = limited(raw)
  const order = yield* Semaphore.make(1)
  return {
    send: (channel, frames) => Effect.asVoid(order.withPermits(1)(write(channel, frames))),
    tunnel: Effect.never,
    current: () => undefined
  } satisfies NodeCarrier<E | OutcomeUnknown>
})

/** Bytes of log after which output moves to the tunnel. */
export const logRoom = 1024 * 1024

/** Whether a run needs its tunnel. `frames`: the next frames of its log. `bytes`: the size of the log so far. */
export const isTunnelNeeded = (from: TunnelNeed, frames: ReadonlyArray<Frame>, bytes: number): boolean =>
  from === "start" || bytes >= logRoom || (from === "command" && frames.some(({ _tag }) => _tag === "Started"))

/**
 * Bytes per millisecond that a helper writes to its log after {@link logRoom}. An engine forwards 10 MB/s of each task's log (moby,
 * `daemon/cluster/executor/container/controller.go`).
 */
const logRate = 8 * 1024

/** A tunnel that may follow a log. */
export interface LaterTunnel {
  readonly from: TunnelNeed
  /** Opens the tunnel. Completes when the caller has connected. `report` sends the caller the address of the listener. */
  readonly open: (report: (frame: Frame) => Effect.Effect<void>) => Effect.Effect<Tunnel, TunnelLost, Scope.Scope>
}

/**
 * Returns a carrier that begins with the log. When the caller has connected, it writes `Moved` as the log's last frame and sends all later
 * frames over the tunnel, so that the caller receives each frame once and in order.
 */
export const byLogThenTunnel = Effect.fnUntraced(function* <E>(
  raw: Log<E>,
  { from, open }: LaterTunnel
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
      const inTurn = Effect.suspend(() =>
        moved === undefined ? Effect.as(write(channel, frames), true) : Effect.succeed(false)
      )
      return Effect.flatMap(order.withPermits(1)(inTurn), (isDone) =>
        isDone || moved === undefined ? Effect.void : moved.send(channel, frames)
      )
    })
  // Ignores errors: if the log can't be written, the next frame fails, too.
  const report = (frame: Frame) => Effect.ignore(send(0, [frame]))
  const move = Effect.gen(function* () {
    if (from !== "start") yield* Deferred.await(needed)
    const tunnel = yield* open(report)
    const change = Effect.andThen(
      Effect.ignore(write(0, [{ _tag: "Moved" }])),
      Effect.sync(() => {
        moved = byTunnel(tunnel)
      })
    )
    yield* order.withPermits(1)(Effect.uninterruptible(change))
    return tunnel
  })
  // If the tunnel fails, output stays in the log.
  const tunnel = yield* memoize(from === "output" ? Effect.catch(move, () => Effect.never) : move)
  yield* Effect.forkScoped(Effect.ignore(tunnel))
  return { send, tunnel, current: () => moved?.current() }
})
