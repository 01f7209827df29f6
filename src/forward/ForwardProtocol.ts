/**
 * The protocol between a caller and the process that connects to a task's ports. It runs over a tunnel through the process's stdin and stdout.
 * Each connection is a channel, which the caller opens with a `Connect`. The caller's bytes are the channel's stdin, and the task's bytes are
 * its stdout. The end of a stream is the end of that direction. A channel that a side closes before both streams have ended is reset.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import type { Channel } from "../carrier/Channel.ts"
import type { TunnelOptions } from "../carrier/Tunnel.ts"

/** The message of a caller that opens a connection. */
export const ConnectMessage = Schema.fromJsonString(Schema.TaggedStruct("Connect", { port: Schema.Int }))

/** The response to a `Connect`. */
export const ConnectReply = Schema.fromJsonString(
  Schema.TaggedUnion({
    Connected: {},
    /** The port can't be reached, or is not one of those that the process may connect to. */
    Refused: { reason: Schema.String }
  })
)

/** Encodes a `Connect`. */
export const connectTo = (port: number): string => encodeConnect({ _tag: "Connect", port })
const encodeConnect = Schema.encodeSync(ConnectMessage)

/** Takes the first document of a channel, which opens the connection or is the response. Returns its text, and what follows it. */
export const firstDocument = Effect.fnUntraced(function* ({ incoming }: Pick<Channel, "incoming">) {
  const [[first], rest] = yield* Stream.peel(incoming, Sink.take(1))
  return { text: first?._tag === "Document" ? first.text : undefined, rest }
})

/** The most connections of one session at the same time. Each takes up to twice {@link connectionWindow} on either side. */
export const mostConnections = 512

/** The most bytes of each direction of a connection that a side holds for a slow reader. */
export const connectionWindow = 256 * 1024

/** The most bytes of a direction of which half of {@link connectionWindow} was read, and what that may add to all connections together. */
export const maxWindow = 1024 * 1024
const addedInTotal = 16 * 1024 * 1024

/** The options of the tunnel, for both sides. The connection between two nodes packs what compresses well. */
export const forwardTunnel: TunnelOptions = {
  window: connectionWindow,
  growth: { maxWindow, inTotal: addedInTotal },
  packs: false
}

/** The streams of a channel, as one of its sides sees them. */
export interface Sides {
  /** The stream that this side writes. */
  readonly writes: "stdin" | "stdout"
  /** The stream that this side reads. */
  readonly reads: "stdin" | "stdout"
}

/** The side of the caller. */
export const callersSide: Sides = { writes: "stdin", reads: "stdout" }

/** The side of the process in the task's network. */
export const tasksSide: Sides = { writes: "stdout", reads: "stdin" }
