/** The process in the task's network: connects to the task's ports for its caller. */
import type { Duplex } from "node:stream"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { Channel } from "../carrier/Channel.ts"
import { makeTunnel } from "../carrier/Tunnel.ts"
import type { PortUnreachable } from "./ForwardErrors.ts"
import {
  ConnectMessage,
  ConnectReply,
  firstDocument,
  forwardTunnel,
  mostConnections,
  tasksSide
} from "./ForwardProtocol.ts"
import { joinSocket, reset } from "./joinSocket.ts"

/** Options of {@link serveForward}. */
export interface ForwardServerOptions {
  /** The ports to which it connects. It refuses all others: the policy has allowed these. */
  readonly ports: ReadonlyArray<number>
  readonly dial: (port: number) => Effect.Effect<Duplex, PortUnreachable>
}

const decodeConnect = Schema.decodeUnknownOption(ConnectMessage)
const encodeReply = Schema.encodeSync(ConnectReply)

/** Serves the caller at the other end of a connection until the caller ends it or disconnects. Then resets all connections. */
export const serveForward = Effect.fnUntraced(function* (caller: Duplex, { dial, ports }: ForwardServerOptions) {
  const run = yield* FiberSet.makeRuntime()
  let open = 0
  const accept = (channel: Channel) => {
    open++
    const served = serveOne(channel, open > mostConnections).pipe(
      Effect.ensuring(
        Effect.andThen(
          channel.close,
          Effect.sync(() => {
            open--
          })
        )
      )
    )
    run(served)
  }
  const serveOne = Effect.fnUntraced(
    function* (channel: Channel, isOneTooMany: boolean) {
      const { rest, text } = yield* firstDocument(channel)
      const refuse = (reason: string) => channel.send(encodeReply({ _tag: "Refused", reason }))
      const message = decodeConnect(text)
      if (Option.isNone(message)) return yield* refuse("the message is invalid")
      const { port } = message.value
      if (!ports.includes(port)) return yield* refuse(`port ${port} is not one of the ports to forward`)
      if (isOneTooMany) return yield* refuse(`more than ${mostConnections} connections are open`)
      // Nobody else owns the socket before the connection is joined.
      const socket = yield* Effect.acquireRelease(dial(port), (socket) =>
        Effect.sync(() => (socket.destroyed ? undefined : reset(socket)))
      )
      yield* channel.send(encodeReply({ _tag: "Connected" }))
      yield* joinSocket(channel, rest, socket, tasksSide)
    },
    (served, channel) =>
      served.pipe(
        Effect.scoped,
        Effect.catchTag("PortUnreachable", ({ reason }) => channel.send(encodeReply({ _tag: "Refused", reason }))),
        // The caller sees that the channel was closed too early.
        Effect.catch(({ message }) => Effect.logDebug(message)),
        Effect.catchCause((cause) =>
          Cause.hasInterruptsOnly(cause) ? Effect.void : Effect.logError(Cause.pretty(cause))
        )
      )
  )
  // The way to the caller may take longer than this process to start. Stdin ends with the helper.
  const tunnel = yield* makeTunnel(caller, { ...forwardTunnel, accept, awaitsFirst: true })
  yield* Effect.ignore(Stream.runDrain(tunnel.incoming))
}, Effect.scoped)
