/**
 * The socket of an entry agent: connects callers that can open this container's files to the agent of another node. Forwards bytes
 * only: TLS goes from the caller to the other agent, and this one has no key for it.
 */
import { createServer, type Socket } from "node:net"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import type * as Scope from "effect/Scope"
import { agentSocket } from "../../src/agent/AgentProtocol.ts"
import { TunnelLost } from "../../src/carrier/Channel.ts"
import { readLine } from "../../src/carrier/readLine.ts"
import { readRelayAddress } from "../../src/helper/RelayProtocol.ts"
import { agentDialTimeout, dial } from "./dial.ts"
import { joinStreams } from "./joinStreams.ts"

/** Callers at the same time. */
const mostCallers = 1000

/** Listens until the scope closes. `callers` keeps the connections that are open by then. */
export const listenOnSocket = Effect.fnUntraced(function* (
  callers: FiberSet.FiberSet
): Effect.fn.Return<void, TunnelLost, Scope.Scope> {
  const run = yield* FiberSet.runtime(callers)()
  const server = createServer({ allowHalfOpen: true }, (socket) => void run(serve(socket)))
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
const serve = (socket: Socket): Effect.Effect<void> =>
  Effect.gen(function* () {
    yield* Effect.addFinalizer(() => Effect.sync(() => socket.destroy()))
    // The reader sees that it is closed.
    socket.on("error", () => undefined)
    const other = yield* connectToOther(socket).pipe(Effect.tapError(({ detail }) => sendLine(socket, detail)))
    yield* sendLine(socket, "")
    yield* forward(socket, other)
  }).pipe(
    Effect.scoped,
    Effect.catch((error) => Effect.logDebug(error.message))
  )

/** Forwards until the caller has closed. The end of the other agent ends the caller's side. */
const forward = (socket: Socket, other: Socket): Effect.Effect<void> =>
  Effect.callback((resume) => {
    other.on("error", () => undefined)
    other.on("close", () => void socket.end())
    socket.on("close", () => resume(Effect.void))
    joinStreams(socket, socket, other)
    // The caller may have closed meanwhile.
    if (socket.destroyed) resume(Effect.void)
  })

/** Sends a line. Done when the system has it. */
const sendLine = (socket: Socket, text: string): Effect.Effect<void> =>
  Effect.callback((resume) => void socket.write(`${text}\n`, () => resume(Effect.void)))

/** Reads the address that the caller sends, and connects to it. */
const connectToOther = Effect.fnUntraced(function* (socket: Socket): Effect.fn.Return<Socket, TunnelLost, Scope.Scope> {
  const address = readRelayAddress(Buffer.from(`${yield* readLine(socket, "the caller")}\n`))
  if (address === undefined) return yield* new TunnelLost({ detail: "no address" })
  return yield* Effect.acquireRelease(
    Effect.callback<Socket, TunnelLost>((resume) => {
      const stop = dial(address, agentDialTimeout, {
        connected: (other) => resume(Effect.succeed(other)),
        failed: ({ message }) => resume(Effect.fail(new TunnelLost({ detail: message })))
      })
      return Effect.sync(stop)
    }),
    (other) => Effect.sync(() => other.destroy()),
    { interruptible: true }
  )
})
