import { connect, type Socket } from "node:net"
import { networkInterfaces } from "node:os"
import * as Effect from "effect/Effect"
import { PortUnreachable, systemText } from "./ForwardErrors.ts"

/** Milliseconds that an attempt to connect to one address may take. */
const connectTimeout = 10_000

/**
 * Connects to a port of this network: at 127.0.0.1, at ::1, and then at each other address, as a service may listen on one of those only. Fails
 * with the first reason.
 */
export const dialLocal = (port: number): Effect.Effect<Socket, PortUnreachable> => {
  const [first, ...others] = ["127.0.0.1", "::1", ...otherAddresses()].map((host) => dialAt(host, port))
  return others.reduce(
    (attempt, next) => attempt.pipe(Effect.catch((error) => Effect.mapError(next, () => error))),
    first ?? Effect.fail(new PortUnreachable({ port, reason: "this network has no address" }))
  )
}

/** The addresses that are not loopback addresses. Link-local ones need an interface's name to connect. */
const otherAddresses = (): ReadonlyArray<string> =>
  Object.values(networkInterfaces())
    .flatMap((all) => all ?? [])
    .filter(({ address, internal }) => !internal && !address.startsWith("fe80:"))
    .map(({ address }) => address)

const dialAt = (host: string, port: number): Effect.Effect<Socket, PortUnreachable> =>
  Effect.callback<Socket, PortUnreachable>((resume) => {
    const socket = connect({ host, port, noDelay: true, allowHalfOpen: true })
    const failed = (error: unknown) => {
      socket.destroy()
      resume(Effect.fail(new PortUnreachable({ port, reason: systemText(error) })))
    }
    socket.once("error", failed)
    socket.once("connect", () => {
      socket.off("error", failed)
      socket.on("error", () => undefined)
      resume(Effect.succeed(socket))
    })
    return Effect.sync(() => {
      socket.on("error", () => undefined)
      socket.destroy()
    })
  }).pipe(
    Effect.timeoutOrElse({
      duration: connectTimeout,
      orElse: () => Effect.fail(new PortUnreachable({ port, reason: `no response within ${connectTimeout / 1000} s` }))
    })
  )
