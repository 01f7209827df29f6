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
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { maxBlock, Packer, unpack } from "./Packed.ts"
import {
  encodeFrame,
  maxChannel,
  type StreamName,
  type TunnelFrame,
  TunnelFrameError,
  TunnelFrameReader,
  type TunnelRecord
} from "./TunnelFrame.ts"

/** The connection broke, or the other side sent something that is not readable. */
export class TunnelLost extends Schema.TaggedError<TunnelLost>()("TunnelLost", { detail: Schema.String }) {
  override get message(): string {
    return `connection lost: ${this.detail}`
  }
}

/** What comes in. */
export type Incoming = TunnelRecord & { readonly _tag: "Data" | "End" | "Document" }

/** A channel of a connection. */
export interface Channel {
  /** What comes in, in order; ends when the other side closed its own. To be run once. */
  readonly incoming: Stream.Stream<Incoming, TunnelLost>
  /** Reports that received bytes of a stream were consumed: the other side may send as many more. */
  readonly taken: (stream: StreamName, bytes: number) => Effect.Effect<void>
  /** Sends a document. */
  readonly send: (text: string) => Effect.Effect<void, TunnelLost>
  /** Sends bytes of a stream. Completes when the other side has room for them. Write one chunk at a time to each stream. */
  readonly write: (stream: StreamName, data: Uint8Array) => Effect.Effect<void, TunnelLost>
  /** Ends a stream. */
  readonly end: (stream: StreamName) => Effect.Effect<void, TunnelLost>
  /** Tells the other side that nothing more follows, and ignores what it still sends. */
  readonly close: Effect.Effect<void>
}

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

/** The room that a side adds to streams whose bytes are consumed: the other side then waits less often for credit. */
export interface RoomGrowth {
  /** The most bytes of such a stream that a side buffers. */
  readonly most: number
  /** The most bytes that are added to all open channels together. */
  readonly inTotal: number
}

/** Options of {@link makeTunnel}. */
export interface TunnelOptions {
  /** The channels that are open from the start. */
  readonly channels?: ReadonlyArray<number>
  /** Receives each channel that the other side opens, once, with its first document. Default: such a document ends the connection. */
  readonly accept?: (channel: Channel) => void
  /** The most bytes of each stream that a side buffers, see `growth`. Both sides must pass the same number. */
  readonly room?: number
  /** Whether this side gives streams more room whose bytes are consumed. Default: it does not. */
  readonly growth?: RoomGrowth
  /** Whether the other side may take any time until its first byte. Silence counts from then on. */
  readonly awaitsFirst?: boolean
  /** Whether blocks that compress well are sent packed. `false` if the connection below packs them. */
  readonly packs?: boolean
}

/** Milliseconds between two pings. */
const pulse = 5000
/** The number of pings without a byte from the other side after which the connection is given up. */
const patience = 3
/**
 * The most bytes of each stream that a side buffers: of the tunnel itself, and of each channel. Counts unpacked bytes.
 */
const defaultRoom = 1024 * 1024
/**
 * The most bytes of documents and ends of streams that a side buffers, over all channels. They need no credit: each is a small message.
 */
const documentRoom = 4 * 1024 * 1024
/** The memory that a buffered document or end takes in addition to its text, in bytes. */
const recordBytes = 128

/** The sender's state of a stream. */
class Outlet {
  credit: number
  readonly latch = Latch.makeUnsafe(true)
  readonly packer = new Packer()

  constructor(room: number) {
    this.credit = room
  }
}

/** The receiver's state of a stream. */
class Inlet {
  credit: number
  room: number
  used = 0

  constructor(room: number) {
    this.credit = room
    this.room = room
  }
}

const perStream = <A>(make: () => A): Readonly<Record<StreamName, A>> => ({
  stdin: make(),
  stdout: make(),
  stderr: make()
})

/** The state of a channel. */
interface ChannelState {
  readonly outlets: Readonly<Record<StreamName, Outlet>>
  readonly inlets: Readonly<Record<StreamName, Inlet>>
  readonly queue: Queue.Queue<Incoming, TunnelLost | Cause.Done>
  /** Bytes of the {@link documentRoom} that the channel takes. */
  documents: number
  /** Bytes of room that were added to its streams. */
  added: number
  /** This side has closed the channel. */
  isClosed: boolean
  /** The other side has closed the channel. */
  isEnded: boolean
  /** The channel itself, once it is used. */
  handle: Channel | undefined
}

/** Takes bytes that came in from the credit of their stream. */
const reserve = (inlet: Inlet, stream: StreamName, bytes: number): void => {
  inlet.credit -= bytes
  if (inlet.credit < 0) throw new TunnelFrameError(`${stream} exceeds its buffer`)
}

const documentBytes = (record: Incoming): number => {
  if (record._tag === "Data") return 0
  return recordBytes + (record._tag === "Document" ? record.text.length : 0)
}

/**
 * Makes a tunnel over a connection, which is destroyed with the scope. Both sides call this.
 *
 * A channel is open from the start if the options say so, otherwise from the first call of `channel` or `open`. A frame for a channel that
 * is not open ends the connection, unless the options have `accept`.
 */
export const makeTunnel = Effect.fnUntraced(function* (
  socket: Duplex,
  { accept, awaitsFirst = false, channels: initial = [], growth, packs = true, room = defaultRoom }: TunnelOptions = {}
): Effect.fn.Return<Tunnel, never, Scope.Scope> {
  const channels = new Map<number, ChannelState>()
  /** The channels that this side has closed, and the other side has not. */
  const closing = new Set<number>()
  const drained = Latch.makeUnsafe(true)
  const reader = new TunnelFrameReader()
  let lost: TunnelLost | undefined
  let documents = 0
  /** Bytes of room that were added to open channels. */
  let added = 0
  let heard = true
  let hasBegun = !awaitsFirst
  let over = false

  const stateOf = (id: number): ChannelState => {
    const known = channels.get(id)
    if (known !== undefined) return known
    const state: ChannelState = {
      outlets: perStream(() => new Outlet(room)),
      inlets: perStream(() => new Inlet(room)),
      queue: Effect.runSync(Queue.unbounded<Incoming, TunnelLost | Cause.Done>()),
      documents: 0,
      added: 0,
      isClosed: false,
      isEnded: false,
      handle: undefined
    }
    if (lost !== undefined) Queue.failCauseUnsafe(state.queue, Cause.fail(lost))
    else if (over) Queue.endUnsafe(state.queue)
    channels.set(id, state)
    return state
  }

  const lose = (detail: string) => {
    if (lost !== undefined) return
    lost = new TunnelLost({ detail })
    // Wakes all writers: they find that the connection is lost.
    Latch.openUnsafe(drained)
    for (const { outlets, queue } of channels.values()) {
      Queue.failCauseUnsafe(queue, Cause.fail(lost))
      for (const outlet of Object.values(outlets)) Latch.openUnsafe(outlet.latch)
    }
    socket.destroy()
  }

  const put = (frame: TunnelFrame) => {
    if (lost !== undefined || socket.writableEnded || socket.destroyed) return
    socket.cork()
    for (const bytes of encodeFrame(frame)) if (!socket.write(bytes)) Latch.closeUnsafe(drained)
    socket.uncork()
  }

  const hold = (state: ChannelState, bytes: number) => {
    state.documents += bytes
    documents += bytes
  }

  /** Adds room to a stream, if there is some. Returns the number of bytes. */
  const grow = (state: ChannelState, inlet: Inlet): number => {
    if (growth === undefined) return 0
    const more = Math.min(growth.most - inlet.room, growth.inTotal - added)
    inlet.room += more
    state.added += more
    added += more
    return more
  }

  const take = ({ channel, ...record }: TunnelFrame) => {
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
    const { inlets, outlets, queue } = state
    if (isNew) accept(wholeChannel(channel))
    switch (record._tag) {
      case "Credit": {
        const outlet = outlets[record.stream]
        outlet.credit += record.bytes
        if (outlet.credit > 0) Latch.openUnsafe(outlet.latch)
        return
      }
      case "Data": {
        reserve(inlets[record.stream], record.stream, record.data.length)
        Queue.offerUnsafe(queue, record)
        return
      }
      case "Packed": {
        const { bytes, stream } = record
        reserve(inlets[stream], stream, bytes)
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
        hold(state, documentBytes(record))
        if (documents > documentRoom) throw new TunnelFrameError("the messages exceed their buffer")
        Queue.offerUnsafe(queue, record)
    }
  }

  for (const id of [0, ...initial]) stateOf(id)
  yield* Effect.acquireRelease(
    Effect.sync(() => {
      socket.on("data", (chunk: Uint8Array) => {
        heard = true
        hasBegun = true
        if (lost !== undefined) return
        try {
          for (const frame of reader.push(chunk)) take(frame)
        } catch (error) {
          if (!(error instanceof TunnelFrameError)) throw error
          lose(error.message)
        }
      })
      socket.on("drain", () => Latch.openUnsafe(drained))
      socket.on("end", () => {
        over = true
        for (const { queue } of channels.values()) Queue.endUnsafe(queue)
      })
      socket.on("error", (error) => lose(error.message))
      socket.on("close", () => lose("it was closed unexpectedly"))
    }),
    // The error listener stays: an error after the scope has closed is ignored.
    () => Effect.sync(() => socket.destroy())
  )

  const beat = Effect.gen(function* () {
    let silent = 0
    while (lost === undefined) {
      put({ _tag: "Ping", channel: 0 })
      yield* Effect.sleep(pulse)
      silent = heard || !hasBegun ? 0 : silent + 1
      heard = false
      if (silent >= patience) lose(`no data for ${(patience * pulse) / 1000} s`)
    }
  })
  yield* Effect.forkScoped(beat)

  const orLost = <A>(value: A): Effect.Effect<A, TunnelLost> =>
    Effect.suspend(() => (lost === undefined ? Effect.succeed(value) : Effect.fail(lost)))

  const channelOf = (channel: number): Omit<Channel, "close"> => {
    const state = stateOf(channel)
    const { inlets, outlets, queue } = state
    const sent = (frame: TunnelFrame): Effect.Effect<void, TunnelLost> =>
      Effect.suspend(() => {
        // After its close, the channel's number may be that of another one.
        if (!state.isClosed) put(frame)
        return Latch.isOpen(drained) && lost === undefined
          ? Effect.void
          : Effect.andThen(drained.await, orLost(undefined))
      })
    /** Sends the bytes from this position. */
    const writeFrom = (stream: StreamName, data: Uint8Array, from: number): Effect.Effect<void, TunnelLost> =>
      Effect.suspend(() => {
        if (from >= data.length) return Effect.void
        const outlet = outlets[stream]
        if (lost !== undefined) return Effect.fail(lost)
        if (outlet.credit === 0) return Effect.andThen(outlet.latch.await, writeFrom(stream, data, from))
        const block = data.subarray(from, from + Math.min(outlet.credit, maxBlock))
        outlet.credit -= block.length
        if (outlet.credit === 0) Latch.closeUnsafe(outlet.latch)
        const packed = packs ? outlet.packer.pack(block) : undefined
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
          if (channels.get(channel) === state) for (const record of records) hold(state, -documentBytes(record))
          return records
        })
      ),
      taken: (stream, bytes) =>
        Effect.sync(() => {
          const inlet = inlets[stream]
          inlet.used += bytes
          // Each credit passes all processes between the two sides, as data does.
          if (inlet.used < inlet.room / 2 || state.isClosed) return
          const more = inlet.used + grow(state, inlet)
          inlet.credit += more
          inlet.used = 0
          put({ _tag: "Credit", channel, stream, bytes: more })
        }),
      send: (text) => sent({ _tag: "Document", channel, text }),
      write: (stream, data) => writeFrom(stream, data, 0),
      end: (stream) => sent({ _tag: "End", channel, stream })
    }
  }

  const wholeChannel = (id: number): Channel => {
    const state = stateOf(id)
    state.handle ??= {
      ...channelOf(id),
      close: Effect.sync(() => {
        if (state.isClosed) return
        put({ _tag: "Close", channel: id })
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
    ...channelOf(0),
    channel: wholeChannel,
    open: Effect.suspend(() => {
      let id = 1
      while (id <= maxChannel && (channels.has(id) || closing.has(id))) id++
      return id <= maxChannel
        ? orLost(wholeChannel(id))
        : Effect.fail(new TunnelLost({ detail: `more than ${maxChannel} channels` }))
    }),
    close: Effect.callback((resume) => {
      if (socket.destroyed || socket.writableEnded) return resume(Effect.void)
      socket.end(() => resume(Effect.void))
    })
  }
})
