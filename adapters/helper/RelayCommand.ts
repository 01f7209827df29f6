/**
 * What a relay does: sits on the helper's network beside the caller's engine, and passes bytes between its own stdin and
 * stdout, to which the caller is attached, and the helper. It understands none of them.
 */
import { connect, Socket } from "node:net"
import * as Effect from "effect/Effect"
import { readRelayAddress } from "../../src/route/RelayProtocol.ts"
import { writeText } from "../Output.ts"

/** How long the helper may take to be reached, in milliseconds, and how long one attempt. */
const patience = 120_000
const attempt = 1000
const between = 25

/** Reads the address from the first line of stdin, connects, and passes on until both directions have ended. */
export const relayCommand: Effect.Effect<number> = Effect.callback<number, Error>((resume) => {
  const stdin = new Socket({ fd: 0, readable: true, writable: false })
  const stdout = new Socket({ fd: 1, readable: false, writable: true })
  const fail = (error: Error) => resume(Effect.fail(error))
  stdin.on("error", fail)
  stdout.on("error", fail)
  let head = Buffer.alloc(0)
  const onHead = (chunk: string | Buffer) => {
    head = Buffer.concat([head, Buffer.from(chunk)])
    const address = readRelayAddress(head)
    if (address === undefined) return
    stdin.pause()
    stdin.off("data", onHead)
    dial(address, Date.now() + patience, fail, (helper) => {
      helper.on("error", fail)
      helper.write(head.subarray(address.length))
      stdin.pipe(helper)
      helper.pipe(stdout)
      stdout.on("finish", () => resume(Effect.succeed(0)))
    })
  }
  stdin.on("data", onHead)
  // The caller went away before it knew whom to reach.
  stdin.on("end", () => {
    if (stdin.listeners("data").includes(onHead)) resume(Effect.succeed(0))
  })
}).pipe(Effect.catch((error) => Effect.as(Effect.ignore(writeText(2, `relay: ${error.message}\n`)), 1)))

/** Again and again: the helper's network and its listening come up at about the same time as this. */
const dial = (
  address: { readonly host: string; readonly port: number },
  until: number,
  fail: (error: Error) => void,
  connected: (socket: Socket) => void
): void => {
  const socket = connect({ ...address, noDelay: true })
  const again = (error: Error) => {
    clearTimeout(timer)
    socket.destroy()
    if (Date.now() > until) fail(error)
    else setTimeout(dial, between, address, until, fail, connected)
  }
  const timer = setTimeout(() => again(new Error(`${address.host} does not answer`)), attempt)
  socket.once("error", again)
  socket.once("connect", () => {
    clearTimeout(timer)
    socket.off("error", again)
    connected(socket)
  })
}
