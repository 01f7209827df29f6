/** A listener on this machine, for tests. */
import { connect, createServer } from "node:net"
import * as Effect from "effect/Effect"
import { listenForAll, type PresharedKey } from "../../../src/carrier/TunnelTls.ts"

/** Returns a free port. */
const freePort = Effect.callback<number>((resume) => {
  const server = createServer().listen(0, "127.0.0.1", () => {
    const address = server.address()
    const port = typeof address === "object" && address !== null ? address.port : 0
    server.close(() => resume(Effect.succeed(port)))
  })
})

/** Listens for clients with the key. Returns the number of admitted clients, and a function that connects. */
export const listening = Effect.fnUntraced(function* (key: PresharedKey) {
  let accepted = 0
  const port = yield* freePort
  yield* listenForAll(
    { port, key, most: 10 },
    {
      client: (socket) => {
        accepted++
        socket.on("error", () => undefined)
      },
      refused: () => undefined
    }
  )
  const dial = Effect.acquireRelease(
    Effect.sync(() => connect({ port, host: "127.0.0.1" }).on("error", () => undefined)),
    (socket) => Effect.sync(() => socket.destroy())
  )
  return { accepted: () => accepted, dial, port }
})
