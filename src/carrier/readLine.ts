import type { Duplex } from "node:stream"
import * as Effect from "effect/Effect"
import { TunnelLost } from "./Channel.ts"

/** The most bytes of a line. */
const limit = 1024

/** Reads the first line of a connection, and leaves the following bytes to the next reader. `who` names the other side in errors. */
export const readLine = (duplex: Duplex, who: string): Effect.Effect<string, TunnelLost> =>
  Effect.callback((resume) => {
    let head = Buffer.alloc(0)
    const lost = (detail: string) => {
      stop()
      resume(Effect.fail(new TunnelLost({ detail })))
    }
    const onReadable = () => {
      for (;;) {
        const chunk: Buffer | null = duplex.read()
        if (chunk === null) return
        head = Buffer.concat([head, chunk])
        const end = head.indexOf(0x0a)
        if (end < 0 && head.length > limit) return lost(`${who} sent an invalid message`)
        if (end < 0) continue
        stop()
        if (end + 1 < head.length) duplex.unshift(head.subarray(end + 1))
        return resume(Effect.succeed(head.toString("utf8", 0, end)))
      }
    }
    const onEnd = () => lost(`${who} closed the connection`)
    const stop = () => {
      duplex.off("readable", onReadable)
      duplex.off("end", onEnd)
      duplex.off("close", onEnd)
    }
    duplex.on("readable", onReadable)
    duplex.on("end", onEnd)
    duplex.on("close", onEnd)
    return Effect.sync(stop)
  })
