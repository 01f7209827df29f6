/**
 * Forwards bytes between this process' stdin and stdout and the address in the first line of stdin. Plain Node, because programs that must
 * start quickly load it.
 */
import { Socket } from "node:net"
import { readRelayAddress } from "../../src/helper/RelayProtocol.ts"
import { dial } from "./dial.ts"
import { joinStreams } from "./joinStreams.ts"

/** Options of {@link passOn}. */
export interface PassOnOptions {
  /** Milliseconds until the connection must be established. */
  readonly retryFor: number
}

/**
 * Connects, and forwards until both directions or the other side have ended. Then calls `done`, with the error if there is one. Nothing
 * keeps the process alive after that.
 */
export const passOn = ({ retryFor }: PassOnOptions, done: (error?: Error) => void): void => {
  const stdin = new Socket({ fd: 0, readable: true, writable: false })
  const stdout = new Socket({ fd: 1, readable: false, writable: true })
  const end = (error?: Error) => {
    stdin.destroy()
    done(error)
  }
  stdin.on("error", end)
  stdout.on("error", end)
  let head = Buffer.alloc(0)
  const onHead = (chunk: string | Buffer) => {
    head = Buffer.concat([head, Buffer.from(chunk)])
    const address = readRelayAddress(head)
    if (address === undefined) return
    stdin.pause()
    stdin.off("data", onHead)
    const connected = (helper: Socket) => {
      helper.on("error", end)
      helper.write(head.subarray(address.length))
      joinStreams(stdin, stdout, helper)
      stdout.on("finish", () => {
        helper.destroy()
        end()
      })
    }
    dial(address, retryFor, { connected, failed: end })
  }
  stdin.on("data", onHead)
  // The caller closed stdin before it sent an address.
  stdin.on("end", () => {
    if (stdin.listeners("data").includes(onHead)) end()
  })
}
