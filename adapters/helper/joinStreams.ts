import type { Duplex, Readable, Writable } from "node:stream"

/**
 * Passes bytes both ways, each at the pace of who takes them. The other end may say its last word while more is on its way to it:
 * that is dropped, and does not keep the last word from going through, as it would with `pipe`, which fails then.
 */
export const joinStreams = (input: Readable, output: Writable, other: Duplex): void => {
  const takesMore = () => !other.writableEnded && !other.destroyed
  input.on("data", (chunk: Uint8Array) => {
    if (takesMore() && !other.write(chunk)) input.pause()
  })
  input.on("end", () => {
    if (takesMore()) other.end()
  })
  other.on("drain", () => input.resume())
  // Whether the input has ended shows only while it is read.
  other.on("close", () => input.resume())
  other.pipe(output)
  // It may have been told to wait.
  input.resume()
}
