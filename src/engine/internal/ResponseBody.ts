/** Reads the bodies of responses. */
import type { IncomingMessage } from "node:http"
import * as Effect from "effect/Effect"
import type { EngineUnreachable, UnexpectedReply } from "../EngineErrors.ts"
import { explainFailure, type RequestOrigin } from "../explain.ts"

const cutOff = () => new Error("the connection was closed before the response was complete")

/** Reads a whole body, or its first `limit` bytes. */
export const collect = (
  origin: RequestOrigin,
  response: IncomingMessage,
  limit = Number.POSITIVE_INFINITY
): Effect.Effect<Buffer, EngineUnreachable | UnexpectedReply> =>
  Effect.callback((resume) => {
    const chunks: Array<Buffer> = []
    let size = 0
    const done = () => resume(Effect.succeed(Buffer.concat(chunks)))
    const lost = (cause: unknown) => resume(Effect.fail(explainFailure(origin, cause)))
    // The connection may have broken before the listeners are added.
    if (response.destroyed) return lost(response.errored ?? cutOff())
    response.on("data", (chunk: Buffer) => {
      chunks.push(chunk)
      size += chunk.length
      if (size >= limit) done()
    })
    response.on("end", done)
    response.on("error", lost)
    response.on("close", () => lost(cutOff()))
  })

/** Parses JSON. `null` in objects counts as absent. Returns `undefined` if the text is not JSON. */
export const parseJson = (text: string): { readonly value: unknown } | undefined => {
  try {
    return { value: withoutNulls(JSON.parse(text)) }
  } catch {
    // The caller reports the text.
    return undefined
  }
}

/** Removes the keys whose value is `null`: versions of the engine differ in whether they write or omit empty values. */
const withoutNulls = (value: unknown): unknown => {
  if (Array.isArray(value)) for (const item of value) withoutNulls(item)
  else if (typeof value === "object" && value !== null)
    for (const [key, item] of Object.entries(value)) {
      if (item === null) Reflect.deleteProperty(value, key)
      else withoutNulls(item)
    }
  return value
}
