/**
 * A two-way connection between a caller and an Executor on another node: documents, and streams of bytes of which each
 * side takes only as much as it has room for, so that a slow reader of one holds up nothing else.
 *
 * Both sides say every five seconds that they are there. Who hears nothing for fifteen gives up.
 */
import type { Duplex } from "node:stream"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Queue from "effect/Queue"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { encodeFrame, type StreamName, type TunnelFrame, TunnelFrameError, TunnelFrameReader } from "./TunnelFrame.ts"

/** The other side is gone, or speaks nonsense. */
export class TunnelLost extends Schema.TaggedError<TunnelLost>()("TunnelLost", { detail: Schema.String }) {
  override get message(): string {
    return `the connection was lost: ${this.detail}`
  }
}

/** What comes in. */
export type Incoming = TunnelFrame & { readonly _tag: "Data" | "End" | "Document" }

/** The connection, as long as its scope is open. */
export interface Tunnel {
  /** What comes in, in order; ends when the other side closed its own. To be run once. */
  readonly incoming: Stream.Stream<Incoming, TunnelLost>
  /** To be called when bytes of a stream that came in were used: the other side may send as many more. */
  readonly taken: (stream: StreamName, bytes: number) => Effect.Effect<void>
  /** Sends a document. */
  readonly send: (text: string) => Effect.Effect<void, TunnelLost>
  /** Sends bytes of a stream; done when the other side had room for them. One at a time for each stream. */
  readonly write: (stream: StreamName, data: Uint8Array) => Effect.Effect<void, TunnelLost>
  /** Ends a stream. */
  readonly end: (stream: StreamName) => Effect.Effect<void, TunnelLost>
  /** Closes this side, when all that was sent is on its way. What comes in still comes. */
  readonly close: Effect.Effect<void>
}

/** Milliseconds between two signs of life. */
const pulse = 5000
/** Pulses without a sign of the other side until it is given up. */
const patience = 3
/** Bytes of each stream that a side has room for. */
const room = 1024 * 1024
/** Bytes that are sent in one frame. */
const piece = 64 * 1024

/** A stream as its sender sees it. */
class Outlet {
  credit = room
  readonly latch = Latch.makeUnsafe(true)
}

/** A stream as its receiver sees it. */
class Inlet {
  credit = room
  used = 0
}

const perStream = <A>(make: () => A): Readonly<Record<StreamName, A>> => ({
  stdin: make(),
  stdout: make(),
  stderr: make()
})

/** Speaks over a connection, which is destroyed with the scope. Both sides do the same. */
export const makeTunnel = Effect.fnUntraced(function* (socket: Duplex): Effect.fn.Return<Tunnel, never, Scope.Scope> {
  const outlets = perStream(() => new Outlet())
  const inlets = perStream(() => new Inlet())
  const queue = yield* Queue.unbounded<Incoming, TunnelLost | Cause.Done>()
  const drained = Latch.makeUnsafe(true)
  const reader = new TunnelFrameReader()
  let lost: TunnelLost | undefined
  let heard = true

  const lose = (detail: string) => {
    if (lost !== undefined) return
    lost = new TunnelLost({ detail })
    Queue.failCauseUnsafe(queue, Cause.fail(lost))
    // Whoever waits looks, and sees that there is nothing to wait for.
    Latch.openUnsafe(drained)
    for (const outlet of Object.values(outlets)) Latch.openUnsafe(outlet.latch)
    socket.destroy()
  }

  const put = (frame: TunnelFrame) => {
    if (lost !== undefined || socket.writableEnded || socket.destroyed) return
    socket.cork()
    for (const bytes of encodeFrame(frame)) if (!socket.write(bytes)) Latch.closeUnsafe(drained)
    socket.uncork()
  }

  const take = (frame: TunnelFrame) => {
    switch (frame._tag) {
      case "Ping":
        return
      case "Credit": {
        const outlet = outlets[frame.stream]
        outlet.credit += frame.bytes
        Latch.openUnsafe(outlet.latch)
        return
      }
      case "Data": {
        const inlet = inlets[frame.stream]
        inlet.credit -= frame.data.length
        if (inlet.credit < 0) throw new TunnelFrameError(`more of ${frame.stream} than there is room for`)
        Queue.offerUnsafe(queue, frame)
        return
      }
      case "End":
      case "Document":
        Queue.offerUnsafe(queue, frame)
    }
  }

  yield* Effect.acquireRelease(
    Effect.sync(() => {
      socket.on("data", (chunk: Uint8Array) => {
        heard = true
        if (lost !== undefined) return
        try {
          for (const frame of reader.push(chunk)) take(frame)
        } catch (error) {
          if (!(error instanceof TunnelFrameError)) throw error
          lose(error.message)
        }
      })
      socket.on("drain", () => Latch.openUnsafe(drained))
      socket.on("end", () => Queue.endUnsafe(queue))
      socket.on("error", (error) => lose(error.message))
      socket.on("close", () => lose("it was closed before its end"))
    }),
    // The listener for errors stays: what breaks after we let go concerns nobody.
    () => Effect.sync(() => socket.destroy())
  )

  const beat = Effect.gen(function* () {
    let silent = 0
    while (lost === undefined) {
      put({ _tag: "Ping" })
      yield* Effect.sleep(pulse)
      silent = heard ? 0 : silent + 1
      heard = false
      if (silent >= patience) lose(`nothing was heard for ${(patience * pulse) / 1000} s`)
    }
  })
  yield* Effect.forkScoped(beat)

  const orLost = <A>(value: A): Effect.Effect<A, TunnelLost> =>
    Effect.suspend(() => (lost === undefined ? Effect.succeed(value) : Effect.fail(lost)))
  const sent = (frame: TunnelFrame) =>
    Effect.suspend(() => {
      put(frame)
      return Effect.andThen(drained.await, orLost(undefined))
    })

  const write = Effect.fnUntraced(function* (stream: StreamName, data: Uint8Array) {
    const outlet = outlets[stream]
    for (let at = 0; at < data.length; ) {
      yield* outlet.latch.await
      yield* orLost(undefined)
      const part = data.subarray(at, at + Math.min(outlet.credit, piece))
      at += part.length
      outlet.credit -= part.length
      if (outlet.credit === 0) Latch.closeUnsafe(outlet.latch)
      yield* sent({ _tag: "Data", stream, data: part })
    }
  })

  return {
    incoming: Stream.fromQueue(queue),
    taken: (stream, bytes) =>
      Effect.sync(() => {
        const inlet = inlets[stream]
        inlet.used += bytes
        if (inlet.used < room / 4) return
        inlet.credit += inlet.used
        put({ _tag: "Credit", stream, bytes: inlet.used })
        inlet.used = 0
      }),
    send: (text) => sent({ _tag: "Document", text }),
    write,
    end: (stream) => sent({ _tag: "End", stream }),
    close: Effect.callback((resume) => {
      if (socket.destroyed || socket.writableEnded) return resume(Effect.void)
      socket.end(() => resume(Effect.void))
    })
  }
})
