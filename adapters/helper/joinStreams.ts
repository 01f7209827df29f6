import type { Duplex, Readable, Writable } from "node:stream"

/**
 * Forwards bytes in both directions, with backpressure. The other side may end while more bytes for it arrive: these are dropped, and its
 * last bytes still go through. `pipe` would fail instead.
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
  // The input reports its end only while it is read.
  other.on("close", () => input.resume())
  other.pipe(output)
  // The input may be paused.
  input.resume()
}
