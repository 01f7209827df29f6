/** The caller's side of a forwarding session: opens connections to the task's ports. */
import type { Duplex } from "node:stream"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { type Channel, type Incoming, TunnelLost } from "../carrier/Channel.ts"
import { makeTunnel } from "../carrier/Tunnel.ts"
import { PortUnreachable } from "./ForwardErrors.ts"
import { ConnectReply, connectTo, firstDocument, forwardTunnel } from "./ForwardProtocol.ts"

/** A connection to a port of the task. */
export interface OpenConnection {
  readonly channel: Channel
  /** What the task sends. Run it once. */
  readonly incoming: Stream.Stream<Incoming, TunnelLost>
}

/** A session with the process in the task's network. */
export interface Forwarder {
  /** Connects to a port. The connection is closed with the scope. */
  readonly connect: (port: number) => Effect.Effect<OpenConnection, PortUnreachable | TunnelLost, Scope.Scope>
  /** Fails when the session is lost. Run it once. */
  readonly lost: Effect.Effect<never, TunnelLost>
  /** Ends the session: the process resets its connections and ends. */
  readonly close: Effect.Effect<void>
}

const decodeReply = Schema.decodeUnknownOption(ConnectReply)

/** Opens the session over the stdin and stdout of that process. */
export const openForwarder = Effect.fnUntraced(function* (
  process: Duplex
): Effect.fn.Return<Forwarder, never, Scope.Scope> {
  const tunnel = yield* makeTunnel(process, forwardTunnel)
  return {
    connect: Effect.fnUntraced(function* (port) {
      const channel = yield* Effect.acquireRelease(tunnel.open, ({ close }) => close)
      yield* channel.send(connectTo(port))
      const { rest: incoming, text } = yield* firstDocument(channel)
      const reply = decodeReply(text)
      if (Option.isNone(reply)) return yield* new TunnelLost({ detail: "the process sent no valid response" })
      if (reply.value._tag === "Refused") return yield* new PortUnreachable({ port, reason: reply.value.reason })
      return { channel, incoming }
    }),
    lost: Effect.andThen(
      Stream.runDrain(tunnel.incoming),
      Effect.fail(new TunnelLost({ detail: "the process in the task's network ended the session" }))
    ),
    close: tunnel.close
  }
})
