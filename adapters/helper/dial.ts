import { connect, type Socket } from "node:net"

/** Milliseconds that one attempt to connect may take, and between two attempts. */
const attempt = 1000
const between = 25

/**
 * Milliseconds in which the entry agent must reach another agent, which may have just started. Engine 20.10 may take ten seconds to make a
 * node that has just joined the agents' network known to the others. A caller that can use a helper instead leaves earlier, and one that
 * can't still gets the reason: it waits for 30 seconds.
 */
export const agentDialTimeout = 12_000

/** What {@link dial} reports. */
export interface Dialed {
  readonly connected: (socket: Socket) => void
  /** No attempt succeeded in time. The error is that of the last attempt. */
  readonly failed: (error: Error) => void
}

/**
 * Connects to an address, and tries again for `retryFor` milliseconds: the other side may start to listen at about the same time. Returns
 * a function that stops the attempts.
 *
 * **Details**: plain Node, because programs that must start quickly load it.
 */
export const dial = (
  address: { readonly host: string; readonly port: number },
  retryFor: number,
  { connected, failed }: Dialed
): (() => void) => {
  const until = Date.now() + retryFor
  let stop = () => {}
  const start = () => {
    const socket = connect({ host: address.host, port: address.port, noDelay: true })
    const again = (error: Error) => {
      clearTimeout(timer)
      socket.destroy()
      if (Date.now() > until) return failed(error)
      const pause = setTimeout(start, between)
      stop = () => clearTimeout(pause)
    }
    const timer = setTimeout(() => again(new Error(`${address.host} does not respond`)), attempt)
    stop = () => {
      clearTimeout(timer)
      socket.off("error", again)
      socket.on("error", () => undefined)
      socket.destroy()
    }
    socket.once("error", again)
    socket.once("connect", () => {
      clearTimeout(timer)
      socket.off("error", again)
      stop = () => {}
      connected(socket)
    })
  }
  start()
  return () => stop()
}
