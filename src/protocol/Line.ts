/** The line between a caller and one command on another node: frames in one direction, messages and input in the other. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import { type Channel, type Incoming, TunnelLost } from "../carrier/Channel.ts"
import { decodeDocument, type Frame } from "../carrier/Frame.ts"
import type { StreamName } from "../carrier/TunnelFrame.ts"
import { summaryOf } from "../engine/Hints.ts"
import { OutcomeUnknown } from "../executor/ExecutorErrors.ts"
import { tapSome } from "../internal/tapSome.ts"

/** The errors of a line, in addition to those of its carrier. */
export type LineError = TunnelLost | OutcomeUnknown

/** Carries the frames of one command to the caller, and the caller's messages to the node, over any carrier. */
export interface Line<E> {
  /** The node's frames, in order. Ends when no other frame can arrive. Run it once. */
  readonly incoming: Stream.Stream<Frame, E | LineError>
  /** Reports that bytes of output were consumed, so that the node may send this number of further bytes. */
  readonly consumed: (stream: StreamName, bytes: number) => Effect.Effect<void>
  /** Completes when the helper or agent runs, or when it is certain that it will not run. */
  readonly running: Effect.Effect<void>
  /** Whether a message can be sent to the node without waiting. */
  readonly isOpen: () => boolean
  /** Sends a message. Waits until the node can receive it. */
  readonly send: (text: string) => Effect.Effect<void, LineError>
  /** Sends bytes of a stream. Completes when the node has room for them. Write one chunk at a time to each stream. */
  readonly write: (stream: StreamName, data: Uint8Array) => Effect.Effect<void, LineError>
  /** Ends a stream. */
  readonly end: (stream: StreamName) => Effect.Effect<void, LineError>
  /** Tells the node that no other message follows, and ignores what the node still sends. */
  readonly close: Effect.Effect<void>
}

type Message = Exclude<Incoming, { readonly _tag: "End" }>

/** Whether a record becomes a frame. The end of a stream does not: an end record follows it. */
const isMessage = (incoming: Incoming): incoming is Message => incoming._tag !== "End"

/** Converts a record of a channel to a frame. */
const frameOf = (message: Message): Frame | OutcomeUnknown =>
  message._tag === "Data"
    ? { _tag: message.stream === "stderr" ? "Stderr" : "Stdout", data: message.data }
    : Result.getOrElse(
        decodeDocument(message.text),
        () => new OutcomeUnknown({ detail: "the node's report is invalid" })
      )

const isFrame = (frame: Frame | OutcomeUnknown): frame is Frame => frame._tag !== "OutcomeUnknown"

/** Returns the frames of a channel. Frames that arrive together stay in one array. */
export const framesOf = ({ incoming }: Pick<Channel, "incoming">): Stream.Stream<Frame, LineError> =>
  incoming.pipe(
    Stream.filter(isMessage),
    Stream.map(frameOf),
    tapSome((frame) => (isFrame(frame) ? undefined : Effect.fail(frame))),
    Stream.filter(isFrame)
  )

/** Returns a line over a channel of a tunnel. It sends nothing until the other side has `greeted`, which opens the channel. */
export const lineOver = <E extends { readonly message: string; readonly summary?: string }>(
  channel: Channel,
  greeted: Deferred.Deferred<void, E>
): Line<never> => {
  const isOpen = () => Deferred.isDoneUnsafe(greeted)
  const open = Effect.mapError(Deferred.await(greeted), (error) => new TunnelLost({ detail: summaryOf(error) }))
  return {
    incoming: framesOf(channel),
    consumed: channel.consumed,
    running: Effect.ignore(open),
    isOpen,
    send: (text) => Effect.andThen(open, channel.send(text)),
    write: (stream, data) => Effect.andThen(open, channel.write(stream, data)),
    end: (stream) => Effect.andThen(open, channel.end(stream)),
    close: Effect.suspend(() => (isOpen() ? channel.close : Effect.void))
  }
}
