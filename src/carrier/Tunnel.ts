/**
 * A two-way connection between a caller and an executor on another node. It carries documents, and streams of bytes with backpressure:
 * a slow reader of one stream delays no other one. Several commands share the connection, each with a channel of its own.
 *
 * Both sides send a ping every five seconds. A side that receives nothing for fifteen seconds gives the connection up.
 */
import type { Duplex } from "node:stream"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import {
  type Channel,
  type ChannelState,
  documentBytes,
  makeChannelState,
  reserve,
  type StreamReceiver,
  TunnelLost
} from "./Channel.ts"
import { maxBlock, unpack } from "./Packed.ts"
import {
  encodeFrame,
  maxChannel,
  type StreamName,
  type TunnelFrame,
  TunnelFrameError,
  TunnelFrameReader
} from "./TunnelFrame.ts"

/** A connection, which lasts until its scope closes. The tunnel itself is a channel, too. */
export interface Tunnel extends Omit<Channel, "close"> {
  /** Closes this side of the connection after everything was sent. The other side may still send. */
  readonly close: Effect.Effect<void>
  /**
   * Returns the channel of this number, from 1 to {@link maxChannel}. Both sides use the same number for a command. A number is free again
   * when both sides have closed the channel.
   */
  readonly channel: (id: number) => Channel
  /**
   * Returns a channel with a free number, which the other side accepts when it receives a document on it. Only one of the two sides may
   * open channels so. Fails if no number is free.
   */
  readonly open: Effect.Effect<Channel, TunnelLost>
}

/** How far a side grows the windows of streams whose bytes are consumed: the other side then waits less often for credit. */
export interface WindowGrowth {
  /** The largest window of a stream, in bytes. */
  readonly maxWindow: number
  /** The most bytes that are added to the windows of all open channels together. */
  readonly inTotal: number
}

/** Options of {@link makeTunnel}. */
export interface TunnelOptions {
  /** The channels that are open from the start. */
  readonly channels?: ReadonlyArray<number>
  /** Receives each channel that the other side opens, once, with its first document. Default: such a document ends the connection. */
  readonly accept?: (channel: Channel) => void
  /** The window of each stream at first: the most bytes that a side buffers. Both sides must pass the same number. Default: 1 MiB. */
  readonly window?: number
  /** How far this side grows the windows of streams whose bytes are consumed. Default: it does not. */
  readonly growth?: WindowGrowth
  /** Whether the other side may take any time until its first byte. Silence counts from then on. */
  readonly awaitsFirst?: boolean
  /** Whether blocks that compress well are sent packed. `false` if the connection below packs them. */
  readonly packs?: boolean
}

/** Milliseconds between two pings. */
const pingInterval = 5000
/** The number of pings without a byte from the other side after which the connection is given up. */
const maxUnanswered = 3
/** The window of each stream: of the tunnel itself, and of each channel. Counts unpacked bytes. */
const defaultWindow = 1024 * 1024
/**
 * The most bytes of documents and ends of streams that a side buffers, over all channels. They need no credit: each is a small message.
 */
const maxDocumentBytes = 4 * 1024 * 1024

/**
 * Makes a tunnel over a connection, which is destroyed with the scope. Both sides call this.
 *
 * A channel is open from the start if the options say so, otherwise from the first call of `channel` or `open`. A frame for a channel that
 * is not open ends the connection, unless the options have `accept`.
 */
export const makeTunnel = Effect.fnUntraced(function* (
  socket: Duplex,
  {
    accept,
    awaitsFirst = false,
    channels: initial = [],
    growth,
    packs = true,
    window = defaultWindow
  }: TunnelOptions = {}
): Effect.fn.Return<Tunnel, never, Scope.Scope> {
  const channels = new Map<number, ChannelState>()
  /** The channels that this side has closed, and the other side has not. */
  const closing = new Set<number>()
  const drained = Latch.makeUnsafe(true)
  const reader = new TunnelFrameReader()
  let lost: TunnelLost | undefined
  let documents = 0
  /** Bytes that were added to the windows of open channels. */
  let added = 0
  /** Whether a byte has arrived since the last ping. */
  let hasReceived = true
  let hasBegun = !awaitsFirst
  /** Whether the other side has closed the connection. */
  let isEnded = false

  const stateOf = (id: number): ChannelState => {
    const known = channels.get(id)
    if (known !== undefined) return known
    const state = makeChannelState(window)
    if (lost !== undefined) Queue.failCauseUnsafe(state.queue, Cause.fail(lost))
    else if (isEnded) Queue.endUnsafe(state.queue)
    channels.set(id, state)
    return state
  }

  const fail = (detail: string) => {
    if (lost !== undefined) return
    lost = new TunnelLost({ detail })
    // Wakes all writers: they find that the connection is lost.
    Latch.openUnsafe(drained)
    for (const { queue, senders } of channels.values()) {
      Queue.failCauseUnsafe(queue, Cause.fail(lost))
      for (const sender of Object.values(senders)) Latch.openUnsafe(sender.latch)
    }
    socket.destroy()
  }

  const sendFrame = (frame: TunnelFrame) => {
    if (lost !== undefined || socket.writableEnded || socket.destroyed) return
    socket.cork()
    for (const bytes of encodeFrame(frame)) if (!socket.write(bytes)) Latch.closeUnsafe(drained)
    socket.uncork()
  }

  const countDocuments = (state: ChannelState, bytes: number) => {
    state.documents += bytes
    documents += bytes
  }

  /** Grows the window of a stream as far as it may. Returns the number of added bytes. */
  const grow = (state: ChannelState, receiver: StreamReceiver): number => {
    if (growth === undefined) return 0
    const more = Math.min(growth.maxWindow - receiver.window, growth.inTotal - added)
    receiver.window += more
    state.added += more
    added += more
    return more
  }

  const receive = ({ channel, ...record }: TunnelFrame) => {
    if (record._tag === "Ping") return
    if (closing.has(channel)) {
      if (record._tag === "Close") closing.delete(channel)
      return
    }
    const known = channels.get(channel)
    const isNew = known === undefined && accept !== undefined && record._tag === "Document"
    if (known === undefined && !isNew) {
      throw new TunnelFrameError(`a frame for channel ${channel}, which is not open`)
    }
    const state = known ?? stateOf(channel)
    const { queue, receivers, senders } = state
    if (isNew) accept(channelOf(channel))
    switch (record._tag) {
      case "Credit": {
        const sender = senders[record.stream]
        sender.credit += record.bytes
        if (sender.credit > 0) Latch.openUnsafe(sender.latch)
        return
      }
      case "Data": {
        reserve(receivers[record.stream], record.stream, record.data.length)
        Queue.offerUnsafe(queue, record)
        return
      }
      case "Packed": {
        const { bytes, stream } = record
        reserve(receivers[stream], stream, bytes)
        const data = unpack(record.data, bytes)
        if (data?.length !== bytes) throw new TunnelFrameError(`a damaged block of ${stream}`)
        Queue.offerUnsafe(queue, { _tag: "Data", stream, data })
        return
      }
      case "Close":
        state.isEnded = true
        Queue.endUnsafe(queue)
        return
      case "End":
      case "Document":
        countDocuments(state, documentBytes(record))
        if (documents > maxDocumentBytes) throw new TunnelFrameError("the messages exceed their buffer")
        Queue.offerUnsafe(queue, record)
    }
  }

  for (const id of [0, ...initial]) stateOf(id)
  yield* Effect.acquireRelease(
    Effect.sync(() => {
      socket.on("data", (chunk: Uint8Array) => {
        hasReceived = true
        hasBegun = true
        if (lost !== undefined) return
        try {
          for (const frame of reader.push(chunk)) receive(frame)
        } catch (error) {
          if (!(error instanceof TunnelFrameError)) throw error
          fail(error.message)
        }
      })
      socket.on("drain", () => Latch.openUnsafe(drained))
      socket.on("end", () => {
        isEnded = true
        for (const { queue } of channels.values()) Queue.endUnsafe(queue)
      })
      socket.on("error", (error) => fail(error.message))
      socket.on("close", () => fail("it was closed unexpectedly"))
    }),
    // The error listener stays: an error after the scope has closed is ignored.
    () => Effect.sync(() => socket.destroy())
  )

  const ping = Effect.gen(function* () {
    let unanswered = 0
    while (lost === undefined) {
      sendFrame({ _tag: "Ping", channel: 0 })
      yield* Effect.sleep(pingInterval)
      unanswered = hasReceived || !hasBegun ? 0 : unanswered + 1
      hasReceived = false
      if (unanswered >= maxUnanswered) fail(`no data for ${(maxUnanswered * pingInterval) / 1000} s`)
    }
  })
  yield* Effect.forkScoped(ping)

  const orLost = <A>(value: A): Effect.Effect<A, TunnelLost> =>
    Effect.suspend(() => (lost === undefined ? Effect.succeed(value) : Effect.fail(lost)))

  const makeChannel = (channel: number): Omit<Channel, "close"> => {
    const state = stateOf(channel)
    const { queue, receivers, senders } = state
    const sent = (frame: TunnelFrame): Effect.Effect<void, TunnelLost> =>
      Effect.suspend(() => {
        // After its close, the channel's number may be that of another one.
        if (!state.isClosed) sendFrame(frame)
        return Latch.isOpen(drained) && lost === undefined
          ? Effect.void
          : Effect.andThen(drained.await, orLost(undefined))
      })
    /** Sends the bytes from this position. */
    const writeFrom = (stream: StreamName, data: Uint8Array, from: number): Effect.Effect<void, TunnelLost> =>
      Effect.suspend(() => {
        if (from >= data.length) return Effect.void
        const sender = senders[stream]
        if (lost !== undefined) return Effect.fail(lost)
        if (sender.credit === 0) return Effect.andThen(sender.latch.await, writeFrom(stream, data, from))
        const block = data.subarray(from, from + Math.min(sender.credit, maxBlock))
        sender.credit -= block.length
        if (sender.credit === 0) Latch.closeUnsafe(sender.latch)
        const packed = packs ? sender.packer.pack(block) : undefined
        const frame: TunnelFrame =
          packed === undefined
            ? { _tag: "Data", channel, stream, data: block }
            : { _tag: "Packed", channel, stream, bytes: block.length, data: packed }
        const next = from + block.length
        return next === data.length ? sent(frame) : Effect.andThen(sent(frame), writeFrom(stream, data, next))
      })
    return {
      incoming: Stream.fromQueue(queue).pipe(
        Stream.mapArray((records) => {
          // A channel that was closed meanwhile holds nothing.
          if (channels.get(channel) === state)
            for (const record of records) countDocuments(state, -documentBytes(record))
          return records
        })
      ),
      consumed: (stream, bytes) =>
        Effect.sync(() => {
          const receiver = receivers[stream]
          receiver.used += bytes
          // Each credit passes all processes between the two sides, as data does.
          if (receiver.used < receiver.window / 2 || state.isClosed) return
          const more = receiver.used + grow(state, receiver)
          receiver.credit += more
          receiver.used = 0
          sendFrame({ _tag: "Credit", channel, stream, bytes: more })
        }),
      send: (text) => sent({ _tag: "Document", channel, text }),
      write: (stream, data) => writeFrom(stream, data, 0),
      end: (stream) => sent({ _tag: "End", channel, stream })
    }
  }

  const channelOf = (id: number): Channel => {
    const state = stateOf(id)
    state.handle ??= {
      ...makeChannel(id),
      close: Effect.sync(() => {
        if (state.isClosed) return
        sendFrame({ _tag: "Close", channel: id })
        state.isClosed = true
        documents -= state.documents
        added -= state.added
        channels.delete(id)
        if (!state.isEnded) closing.add(id)
      })
    }
    return state.handle
  }

  return {
    ...makeChannel(0),
    channel: channelOf,
    open: Effect.suspend(() => {
      let id = 1
      while (id <= maxChannel && (channels.has(id) || closing.has(id))) id++
      return id <= maxChannel
        ? orLost(channelOf(id))
        : Effect.fail(new TunnelLost({ detail: `more than ${maxChannel} channels` }))
    }),
    close: Effect.callback((resume) => {
      if (socket.destroyed || socket.writableEnded) return resume(Effect.void)
      socket.end(() => resume(Effect.void))
    })
  }
})
