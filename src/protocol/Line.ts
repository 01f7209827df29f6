/** The caller's end of the conversation about one command. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import { decodeDocument, type Frame } from "../carrier/Frame.ts"
import { type Channel, type Incoming, TunnelLost } from "../carrier/Tunnel.ts"
import type { StreamName } from "../carrier/TunnelFrame.ts"
import { OutcomeUnknown } from "../executor/ExecutorErrors.ts"

/** How a line breaks, besides the errors of what carries it. */
export type LineError = TunnelLost | OutcomeUnknown

/** Carries the frames of one command, and what its caller tells it, whatever lies in between. */
export interface Line<E> {
  /** What the node says, in order; ends when nothing more can come. To be run once. */
  readonly incoming: Stream.Stream<Frame, E | LineError>
  /** To be called when bytes of output were used: as many more may come. */
  readonly taken: (stream: StreamName, bytes: number) => Effect.Effect<void>
  /** Done when the helper or the agent runs, or won't. */
  readonly running: Effect.Effect<void>
  /** Whether the node can be told something at this moment. */
  readonly isOpen: () => boolean
  /** Sends an order; waits until the node can be told something. */
  readonly send: (text: string) => Effect.Effect<void, LineError>
  /** Sends bytes of a stream; done when the node has room for them. One at a time for each stream. */
  readonly write: (stream: StreamName, data: Uint8Array) => Effect.Effect<void, LineError>
  /** Ends a stream. */
  readonly end: (stream: StreamName) => Effect.Effect<void, LineError>
  /** Says that nothing more comes, and takes nothing more in. */
  readonly close: Effect.Effect<void>
}

/** A frame of what a channel brings; nothing for the end of a stream, which an end record tells, too. */
const frameOf = (incoming: Incoming): Effect.Effect<ReadonlyArray<Frame>, OutcomeUnknown> => {
  switch (incoming._tag) {
    case "Data":
      return Effect.succeed([{ _tag: incoming.stream === "stderr" ? "Stderr" : "Stdout", data: incoming.data }])
    case "End":
      return Effect.succeed([])
    case "Document":
      return Result.match(decodeDocument(incoming.text), {
        onSuccess: (frame) => Effect.succeed([frame]),
        onFailure: () => Effect.fail(new OutcomeUnknown({ detail: "the node's report is not readable" }))
      })
  }
}

/** The frames of a channel. */
export const framesOf = ({ incoming }: Pick<Channel, "incoming">): Stream.Stream<Frame, LineError> =>
  incoming.pipe(Stream.mapEffect(frameOf), Stream.flattenIterable)

/** A line over a channel of a tunnel. Nothing is sent before the other side has `greeted`, by when it has opened the channel. */
export const lineOver = <E extends { readonly message: string }>(
  channel: Channel,
  greeted: Deferred.Deferred<void, E>
): Line<never> => {
  const isOpen = () => Deferred.isDoneUnsafe(greeted)
  const open = Effect.mapError(Deferred.await(greeted), ({ message }) => new TunnelLost({ detail: message }))
  return {
    incoming: framesOf(channel),
    taken: channel.taken,
    running: Effect.ignore(open),
    isOpen,
    send: (text) => Effect.andThen(open, channel.send(text)),
    write: (stream, data) => Effect.andThen(open, channel.write(stream, data)),
    end: (stream) => Effect.andThen(open, channel.end(stream)),
    close: Effect.suspend(() => (isOpen() ? channel.close : Effect.void))
  }
}
