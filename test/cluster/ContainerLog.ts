/** The log of a container, read from its engine without task-exec. */
import * as Effect from "effect/Effect"
import { request } from "./EngineApi.ts"

/** All bytes of a log in order, and those of each stream. */
export interface ContainerLog {
  readonly all: Buffer
  readonly stdout: Buffer
  readonly stderr: Buffer
}

/** A part of a log. */
export interface LogPiece {
  readonly isError: boolean
  readonly data: Uint8Array
}

/** Joins the pieces of a log. */
export const logOf = (pieces: ReadonlyArray<LogPiece>): ContainerLog => ({
  all: Buffer.concat(pieces.map(({ data }) => data)),
  stdout: Buffer.concat(pieces.flatMap(({ data, isError }) => (isError ? [] : [data]))),
  stderr: Buffer.concat(pieces.flatMap(({ data, isError }) => (isError ? [data] : [])))
})

/** Reads the log of a container without a TTY, as `docker logs` does. */
export const containerLog = Effect.fnUntraced(function* (
  socket: string,
  container: string,
  query: Readonly<Record<string, string>> = {}
) {
  const body = yield* request(socket, "GET", `/containers/${container}/logs`, {
    query: { stdout: "1", stderr: "1", ...query }
  })
  const pieces: Array<LogPiece> = []
  for (let at = 0; at < body.length; ) {
    const end = at + 8 + body.readUInt32BE(at + 4)
    pieces.push({ isError: body.readUInt8(at) === 2, data: body.subarray(at + 8, end) })
    at = end
  }
  return logOf(pieces)
})
