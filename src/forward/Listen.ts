/** Listens on local ports. */
import { createServer, type Server, type Socket } from "node:net"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { CannotListen, systemText } from "./ForwardErrors.ts"

/** Writes an address and a port: `127.0.0.1:80`, `[::1]:80`. */
export const addressText = (address: string, port: number): string =>
  address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`

/**
 * Listens on a port until the scope closes; 0 picks a free port. Returns the port. `onConnection` owns each socket.
 */
export const listen = (
  address: string,
  port: number,
  onConnection: (socket: Socket) => void
): Effect.Effect<number, CannotListen, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.callback<Server, CannotListen>((resume) => {
        const server = createServer({ allowHalfOpen: true, noDelay: true }, onConnection)
        const failed = (error: unknown) =>
          resume(Effect.fail(new CannotListen({ address: addressText(address, port), detail: systemText(error) })))
        server.once("error", failed)
        server.listen({ host: address, port }, () => {
          server.off("error", failed)
          // A connection that the system could not accept: the next ones may be.
          server.on("error", () => undefined)
          resume(Effect.succeed(server))
        })
      }),
      (server) => Effect.callback((resume) => void server.close(() => resume(Effect.void)))
    ),
    (server) => {
      const bound = server.address()
      return typeof bound === "object" && bound !== null ? bound.port : port
    }
  )
