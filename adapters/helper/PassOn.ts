/**
 * Passes bytes between this process' stdin and stdout and where the first line of stdin says. Plain Node, as it is loaded by
 * what has to be there at once.
 */
import { Socket } from "node:net"
import { readRelayAddress } from "../../src/helper/RelayProtocol.ts"
import { dial } from "./dial.ts"
import { joinStreams } from "./joinStreams.ts"

/** How bytes are passed on. */
export interface PassOnOptions {
  /** How long it may take to be connected, in milliseconds. */
  readonly patience: number
}

/**
 * Connects, and passes on until both directions have ended, or the other end has; `done` is called then, with what went wrong.
 * Nothing of it keeps the process alive from then on.
 */
export const passOn = ({ patience }: PassOnOptions, done: (error?: Error) => void): void => {
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
    dial(address, patience, { connected, failed: end })
  }
  stdin.on("data", onHead)
  // The caller went away before it knew whom to reach.
  stdin.on("end", () => {
    if (stdin.listeners("data").includes(onHead)) end()
  })
}
