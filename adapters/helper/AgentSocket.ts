/**
 * The socket of an entry agent: connects callers that can open this container's files to the agent of another node. Forwards bytes
 * only: TLS goes from the caller to the other agent, and this one has no key for it.
 */
import { connect, createServer, type Socket } from "node:net"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import type * as Scope from "effect/Scope"
import { agentSocket } from "../../src/agent/AgentProtocol.ts"
import { readLine } from "../../src/carrier/readLine.ts"
import { TunnelLost } from "../../src/carrier/Tunnel.ts"
import { readRelayAddress } from "../../src/helper/RelayProtocol.ts"
import { joinStreams } from "./joinStreams.ts"

/** Callers at the same time. */
const mostCallers = 1000
/** How long it may take to reach the other agent, which may have just been started; and milliseconds between two attempts. */
const patience = "2 seconds"
const between = 25

/** Listens until the scope closes. `callers` keeps the connections that are open by then. */
export const listenOnSocket = Effect.fnUntraced(function* (
  callers: FiberSet.FiberSet
): Effect.fn.Return<void, TunnelLost, Scope.Scope> {
  const run = yield* FiberSet.runtime(callers)()
  const server = createServer({ allowHalfOpen: true }, (socket) => void run(lead(socket)))
  server.maxConnections = mostCallers
  yield* Effect.acquireRelease(
    Effect.callback<void, TunnelLost>((resume) => {
      server.once("error", ({ message }) => resume(Effect.fail(new TunnelLost({ detail: message }))))
      server.listen(agentSocket, () => resume(Effect.void))
    }),
    () => Effect.sync(() => server.close())
  )
})

/** Serves one caller. */
const lead = (socket: Socket): Effect.Effect<void> =>
  Effect.gen(function* () {
    yield* Effect.addFinalizer(() => Effect.sync(() => socket.destroy()))
    // The reader sees that it is closed.
    socket.on("error", () => undefined)
    let refusal = new TunnelLost({ detail: "it does not answer" })
    const refused = (error: TunnelLost) =>
      Effect.sync(() => {
        refusal = error
      })
    const other = yield* reach(socket, refused).pipe(
      Effect.timeoutOrElse({ duration: patience, orElse: () => Effect.fail(refusal) }),
      Effect.tapError(({ detail }) => say(socket, detail))
    )
    yield* say(socket, "")
    yield* passBetween(socket, other)
  }).pipe(
    Effect.scoped,
    Effect.catch((error) => Effect.logDebug(error.message))
  )

/** Forwards until the caller has closed. The end of the other agent ends the caller's side. */
const passBetween = (socket: Socket, other: Socket): Effect.Effect<void> =>
  Effect.callback((resume) => {
    other.on("error", () => undefined)
    other.on("close", () => void socket.end())
    socket.on("close", () => resume(Effect.void))
    joinStreams(socket, socket, other)
    // The caller may have closed meanwhile.
    if (socket.destroyed) resume(Effect.void)
  })

/** Sends a line. Done when the system has it. */
const say = (socket: Socket, text: string): Effect.Effect<void> =>
  Effect.callback((resume) => void socket.write(`${text}\n`, () => resume(Effect.void)))

const reach = Effect.fnUntraced(function* (
  socket: Socket,
  refused: (error: TunnelLost) => Effect.Effect<void>
): Effect.fn.Return<Socket, TunnelLost, Scope.Scope> {
  const address = readRelayAddress(Buffer.from(`${yield* readLine(socket, "the caller")}\n`))
  if (address === undefined) return yield* new TunnelLost({ detail: "no address" })
  const again: Effect.Effect<Socket, never, Scope.Scope> = Effect.catch(dial(address), (error) =>
    Effect.andThen(refused(error), Effect.delay(again, between))
  )
  return yield* again
})

interface Address {
  readonly host: string
  readonly port: number
}

const dial = (address: Address): Effect.Effect<Socket, TunnelLost, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback<Socket, TunnelLost>((resume) => {
      const carrier = connect({ ...address, noDelay: true })
      const failed = ({ message }: Error) => resume(Effect.fail(new TunnelLost({ detail: message })))
      carrier.once("error", failed)
      carrier.once("connect", () => {
        carrier.off("error", failed)
        resume(Effect.succeed(carrier))
      })
      return Effect.sync(() => carrier.destroy())
    }),
    (carrier) => Effect.sync(() => carrier.destroy())
  )
