/** A server in every target that returns the bytes it receives, and its client, which connects through a forwarded port. */
import { connect } from "node:net"
import * as Effect from "effect/Effect"
import { recordFolder } from "./Script.ts"

/** The server's port. */
export const echoPort = 7007

/** The server. The first line of a connection names the file, in the volume of the records, to which it copies the other bytes. */
export const echoServer: ReadonlyArray<string> = [
  ...["nc", "-ll", "-p", String(echoPort), "-e"],
  ...["sh", "-c", `read -r name; exec tee "${recordFolder}/$name"`]
]

/** The observations of a client so far. */
export interface Exchange {
  /** The bytes that came back. */
  readonly received: () => Buffer
  /** `open` until the other side ends or resets the connection. */
  readonly state: () => "open" | "ended" | "reset"
  /** Completes when the connection is not open any longer. */
  readonly over: Effect.Effect<void>
}

/** Sends the name, one half of the content, and the other half `pause` milliseconds later. The connection is closed with the scope. */
export const exchange = Effect.fnUntraced(function* (port: number, name: string, content: Buffer, pause: number) {
  const received: Array<Buffer> = []
  let state: "open" | "ended" | "reset" = "open"
  const socket = yield* Effect.acquireRelease(
    Effect.sync(() => connect({ port, host: "127.0.0.1", allowHalfOpen: true })),
    (open) => Effect.sync(() => open.destroy())
  )
  const become = (end: "ended" | "reset") => () => {
    if (state === "open") state = end
  }
  socket.on("error", () => undefined)
  socket.on("end", become("ended"))
  socket.on("close", become("reset"))
  socket.on("data", (chunk: Buffer) => received.push(chunk))
  const half = content.length >> 1
  socket.write(`${name}\n`)
  socket.write(content.subarray(0, half))
  yield* Effect.sleep(pause).pipe(
    Effect.andThen(Effect.sync(() => void socket.end(content.subarray(half)))),
    Effect.forkScoped
  )
  const over = Effect.callback<void>((resume) => {
    if (state !== "open") return resume(Effect.void)
    const done = () => resume(Effect.void)
    socket.once("end", done).once("close", done)
  })
  const made: Exchange = { received: () => Buffer.concat(received), state: () => state, over }
  return made
})
