/**
 * A channel of a tunnel, and one side's state of it. Streams of bytes have credit-based flow control, as in HTTP/2: the receiver buffers at
 * most a window of bytes, and tells the sender how many further bytes it may send.
 */
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Queue from "effect/Queue"
import * as Schema from "effect/Schema"
import type * as Stream from "effect/Stream"
import { Packer } from "./Packed.ts"
import { type StreamName, TunnelFrameError, type TunnelRecord } from "./TunnelFrame.ts"

/** The connection broke, or the other side sent something that is not readable. */
export class TunnelLost extends Schema.TaggedError<TunnelLost>()("TunnelLost", { detail: Schema.String }) {
  override get message(): string {
    return `connection lost: ${this.detail}`
  }
}

/** A record that a channel receives. */
export type Incoming = TunnelRecord & { readonly _tag: "Data" | "End" | "Document" }

/** A channel of a connection. */
export interface Channel {
  /** The received records, in order. Ends when the other side has closed the channel. Run it once. */
  readonly incoming: Stream.Stream<Incoming, TunnelLost>
  /** Reports that received bytes of a stream were consumed, so that the other side may send this number of further bytes. */
  readonly consumed: (stream: StreamName, bytes: number) => Effect.Effect<void>
  /** Sends a document. */
  readonly send: (text: string) => Effect.Effect<void, TunnelLost>
  /** Sends bytes of a stream. Completes when the other side has room for them. Write one chunk at a time to each stream. */
  readonly write: (stream: StreamName, data: Uint8Array) => Effect.Effect<void, TunnelLost>
  /** Ends a stream. */
  readonly end: (stream: StreamName) => Effect.Effect<void, TunnelLost>
  /** Tells the other side that nothing more follows, and ignores what it still sends. */
  readonly close: Effect.Effect<void>
}

/** The memory that a buffered document or end takes in addition to its text, in bytes. */
const recordBytes = 128

/** The sender's state of a stream. */
class StreamSender {
  /** The number of bytes that may be sent. */
  credit: number
  /** Closed while there is no credit. */
  readonly latch = Latch.makeUnsafe(true)
  readonly packer = new Packer()

  constructor(window: number) {
    this.credit = window
  }
}

/** The receiver's state of a stream. */
export class StreamReceiver {
  /** The number of bytes that the sender may still send. */
  credit: number
  /** The most bytes that this side buffers. */
  window: number
  /** The number of consumed bytes for which the sender has not received new credit. */
  used = 0

  constructor(window: number) {
    this.credit = window
    this.window = window
  }
}

const perStream = <A>(make: () => A): Readonly<Record<StreamName, A>> => ({
  stdin: make(),
  stdout: make(),
  stderr: make()
})

/** One side's state of a channel. */
export interface ChannelState {
  readonly senders: Readonly<Record<StreamName, StreamSender>>
  readonly receivers: Readonly<Record<StreamName, StreamReceiver>>
  readonly queue: Queue.Queue<Incoming, TunnelLost | Cause.Done>
  /** The size of the documents in the queue: see {@link documentBytes}. */
  documents: number
  /** Bytes that were added to the windows of its streams. */
  added: number
  /** This side has closed the channel. */
  isClosed: boolean
  /** The other side has closed the channel. */
  isEnded: boolean
  /** The channel itself, once it is used. */
  handle: Channel | undefined
}

/** Makes the state of a channel whose streams have this window at first. */
export const makeChannelState = (window: number): ChannelState => ({
  senders: perStream(() => new StreamSender(window)),
  receivers: perStream(() => new StreamReceiver(window)),
  queue: Effect.runSync(Queue.unbounded<Incoming, TunnelLost | Cause.Done>()),
  documents: 0,
  added: 0,
  isClosed: false,
  isEnded: false,
  handle: undefined
})

/** Takes received bytes from the credit of their stream. Throws {@link TunnelFrameError} if the sender had too little credit. */
export const reserve = (receiver: StreamReceiver, stream: StreamName, bytes: number): void => {
  receiver.credit -= bytes
  if (receiver.credit < 0) throw new TunnelFrameError(`${stream} exceeds its buffer`)
}

/** Returns the memory that a buffered record takes without credit, in bytes: that of a document or an end. */
export const documentBytes = (record: Incoming): number => {
  if (record._tag === "Data") return 0
  return recordBytes + (record._tag === "Document" ? record.text.length : 0)
}
