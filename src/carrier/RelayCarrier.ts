/** Converts a connection to a relay's stdin and stdout to a Node stream. */
import { Duplex } from "node:stream"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { ContainerConnection } from "../engine/ContainerRequests.ts"
import { Demux } from "../engine/Demux.ts"
import type { DockerEngineShape } from "../engine/DockerEngine.ts"
import type { EngineFailure, EngineUnreachable } from "../engine/EngineErrors.ts"

/** A connection through a relay. */
export interface RelayCarrier {
  readonly duplex: Duplex
  /** Writes the first bytes. Completes when they are sent, or the connection is closed. */
  readonly begin: (text: string) => Effect.Effect<void>
  /** Returns the last line that the relay wrote to stderr; empty without one. */
  readonly complaint: () => string
}

/**
 * Converts a connection to a container to a Node stream. The stream fails if the connection fails, and is destroyed when the scope closes.
 * Calls `onStderr` with the text of stderr.
 */
export const carryOver = Effect.fnUntraced(function* (
  connection: ContainerConnection,
  onStderr: (text: string) => void = () => undefined
): Effect.fn.Return<RelayCarrier, never, Scope.Scope> {
  const demand = Latch.makeUnsafe(true)
  const done = (effect: Effect.Effect<void, EngineUnreachable>, callback: (error?: Error | null) => void) => {
    Effect.runCallback(effect, {
      onExit: (exit) => callback(exit._tag === "Success" ? null : new Error("the engine closed the connection"))
    })
  }
  const duplex = new Duplex({
    read: () => Latch.openUnsafe(demand),
    write: (chunk: Uint8Array, _encoding, callback) => done(connection.write(chunk), callback),
    // A header that arrives alone wakes every process on the way twice.
    writev: (chunks: ReadonlyArray<{ readonly chunk: Uint8Array }>, callback) =>
      done(connection.write(Buffer.concat(chunks.map(({ chunk }) => chunk))), callback),
    final: (callback) => done(connection.endInput, callback)
  })
  let complaint = ""
  const demux = new Demux()
  const take = (chunk: Uint8Array) =>
    Effect.suspend(() => {
      for (const { channel, data } of demux.push(chunk)) {
        if (channel === "stdout") {
          if (!duplex.push(data)) Latch.closeUnsafe(demand)
          continue
        }
        const text = Buffer.from(data).toString("utf8")
        complaint = (complaint + text).slice(-1000)
        onStderr(text)
      }
      return demand.await
    })
  // An error without a listener would end the process.
  duplex.on("error", () => undefined)
  yield* Effect.addFinalizer(() => Effect.sync(() => duplex.destroy()))
  yield* Stream.runForEach(connection.output, take).pipe(
    Effect.match({
      onSuccess: () => {
        duplex.push(null)
      },
      onFailure: (error) => {
        duplex.destroy(error)
      }
    }),
    Effect.forkScoped
  )
  const begin = (text: string) => Effect.callback<void>((resume) => void duplex.write(text, () => resume(Effect.void)))
  return { duplex, begin, complaint: () => complaint.trim().split("\n").at(-1) ?? "" }
})

/** Starts a process in a running container, and returns its stdin and stdout as a stream. */
export const carryOverExec = Effect.fnUntraced(function* (
  engine: DockerEngineShape,
  container: string,
  command: ReadonlyArray<string>
): Effect.fn.Return<RelayCarrier, EngineFailure, Scope.Scope> {
  const id = yield* engine.createExec(container, {
    Cmd: command,
    AttachStdin: true,
    AttachStdout: true,
    AttachStderr: true,
    Tty: false
  })
  return yield* carryOver(yield* engine.startExec(id, { tty: false }))
})
