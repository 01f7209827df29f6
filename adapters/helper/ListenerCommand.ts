/**
 * The listener of a helper. It runs on the helper's node, on the run's overlay network. It accepts one client that knows the run's key, and
 * forwards bytes between that client and the helper, which is on the host network.
 */
import { Socket } from "node:net"
import { networkInterfaces } from "node:os"
import * as Effect from "effect/Effect"
import { TunnelLost } from "../../src/carrier/Channel.ts"
import { readLine } from "../../src/carrier/readLine.ts"
import { listenSecurely, tunnelKey } from "../../src/carrier/TunnelTls.ts"
import { helperPort } from "../../src/helper/RelayProtocol.ts"
import { writeStderr, writeText } from "../Output.ts"
import { joinStreams } from "./joinStreams.ts"

/**
 * Reads the key from a line of stdin. Writes a line with its address, an empty line once the caller has connected, and then the caller's
 * bytes. Ends when stdin ends, which the helper holds open.
 */
export const listenerCommand: Effect.Effect<number> = Effect.gen(function* () {
  const stdin = new Socket({ fd: 0, readable: true, writable: false })
  const stdout = new Socket({ fd: 1, readable: false, writable: true })
  const key = yield* readLine(stdin, "the helper")
  const note = (why: string) => void Effect.runFork(writeStderr(`listener: refused ${why}\n`))
  const { client } = yield* listenSecurely(helperPort, tunnelKey(key), note)
  yield* writeText(1, `${ownAddress()}\n`)
  const socket = yield* Effect.raceFirst(client, helperGone(stdin))
  yield* writeText(1, "\n")
  yield* Effect.callback<void, TunnelLost>((resume) => {
    const fail = ({ message }: Error) => resume(Effect.fail(new TunnelLost({ detail: message })))
    for (const one of [stdin, stdout, socket]) one.on("error", fail)
    joinStreams(stdin, stdout, socket)
    stdout.on("finish", () => resume(Effect.void))
  })
  return 0
}).pipe(
  Effect.scoped,
  Effect.catch((error) => Effect.as(writeStderr(`listener: ${error.message}\n`), 1))
)

/** Returns the address of this container, which is on one network only. */
const ownAddress = (): string =>
  Object.values(networkInterfaces())
    .flatMap((all) => all ?? [])
    .find(({ family, internal }) => family === "IPv4" && !internal)?.address ?? ""

/** Fails when stdin ends. The helper sends nothing before the caller has connected. */
const helperGone = (stdin: Socket): Effect.Effect<never, TunnelLost> =>
  Effect.callback((resume) => {
    const onEnd = () => resume(Effect.fail(new TunnelLost({ detail: "the helper disconnected" })))
    const onReadable = () => {
      if (stdin.readableLength === 0) stdin.read()
    }
    stdin.on("readable", onReadable)
    stdin.once("end", onEnd)
    stdin.once("close", onEnd)
    return Effect.sync(() => {
      stdin.off("readable", onReadable)
      stdin.off("end", onEnd)
      stdin.off("close", onEnd)
    })
  })
