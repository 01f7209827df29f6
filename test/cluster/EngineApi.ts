/**
 * Requests to the Docker Engine API over an engine's Unix socket, with `node:http` only. Tests create services and look for leftovers with
 * this, and not with the code of task-exec.
 */

import * as http from "node:http"
import type { Readable } from "node:stream"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

/** The engine was unreachable, refused the request, or sent an unexpected response. */
export class EngineApiError extends Schema.TaggedError<EngineApiError>()("EngineApiError", {
  socket: Schema.String,
  request: Schema.String,
  /** HTTP status. Null without a response. */
  status: Schema.NullOr(Schema.Int),
  detail: Schema.String
}) {
  override get message(): string {
    const status = this.status === null ? "no answer" : `status ${this.status}`
    return `engine at ${this.socket}: ${this.request}: ${status}: ${this.detail}`
  }
}

/** The optional parts of a request. */
export interface RequestOptions {
  readonly query?: Readonly<Record<string, string | ReadonlyArray<string>>>
  readonly headers?: Readonly<Record<string, string>>
  /** Sent as JSON. */
  readonly body?: unknown
  /** Sent unchanged. */
  readonly stream?: Readable
  /** Milliseconds of silence after which the request fails. Default: 30,000. */
  readonly timeout?: number
}

const withQuery = (path: string, query: RequestOptions["query"] = {}): string => {
  const search = new URLSearchParams()
  for (const [key, value] of Object.entries(query))
    for (const one of typeof value === "string" ? [value] : value) search.append(key, one)
  return search.size === 0 ? path : `${path}?${search}`
}

const errorText = (body: string): string => {
  const { success, data } = safeJson(body)
  return success && typeof data === "object" && data !== null && "message" in data ? String(data.message) : body.trim()
}

const safeJson = (text: string): { readonly success: boolean; readonly data: unknown } => {
  try {
    return { success: true, data: JSON.parse(text) }
  } catch {
    return { success: false, data: undefined }
  }
}

/** Sends a request. Returns the whole body of the response. */
export const request = (
  socket: string,
  method: "GET" | "POST" | "DELETE" | "PUT",
  path: string,
  options: RequestOptions = {}
): Effect.Effect<Buffer, EngineApiError> =>
  Effect.callback((resume) => {
    const fail = (status: number | null, detail: string) =>
      resume(Effect.fail(new EngineApiError({ socket, request: `${method} ${path}`, status, detail })))
    const timeout = options.timeout ?? 30_000
    const req = http.request(
      {
        socketPath: socket,
        method,
        path: withQuery(path, options.query),
        headers: { Host: "engine", "Content-Type": "application/json", ...options.headers },
        timeout,
        agent: false
      },
      (res) => {
        const chunks: Array<Buffer> = []
        res.on("data", (chunk: Buffer) => chunks.push(chunk))
        res.on("error", (error) => fail(null, error.message))
        res.on("end", () => {
          const body = Buffer.concat(chunks)
          const status = res.statusCode ?? 0
          if (status >= 200 && status < 300) resume(Effect.succeed(body))
          else fail(status, errorText(body.toString()))
        })
      }
    )
    req.on("timeout", () => req.destroy(new Error(`silent for ${timeout} ms`)))
    req.on("error", (error) => fail(null, error.message))
    if (options.stream !== undefined) {
      options.stream.on("error", (error) => req.destroy(error))
      options.stream.pipe(req)
    } else req.end(options.body === undefined ? undefined : JSON.stringify(options.body))
    return Effect.sync(() => req.destroy())
  })

/** Sends a request whose response is JSON with a known schema. */
export const requestJson = <A>(
  socket: string,
  method: "GET" | "POST" | "DELETE",
  path: string,
  schema: Schema.Codec<A, unknown>,
  options: RequestOptions = {}
): Effect.Effect<A, EngineApiError> => {
  const decode = Schema.decodeUnknownEffect(Schema.fromJsonString(schema))
  return Effect.flatMap(request(socket, method, path, options), (body) =>
    Effect.mapError(
      decode(body.toString()),
      (error) => new EngineApiError({ socket, request: `${method} ${path}`, status: 200, detail: error.message })
    )
  )
}

/** GET a JSON document. */
export const get = <A>(socket: string, path: string, schema: Schema.Codec<A, unknown>, options?: RequestOptions) =>
  requestJson(socket, "GET", path, schema, options)

/** POST, with a JSON response. */
export const post = <A>(socket: string, path: string, schema: Schema.Codec<A, unknown>, options?: RequestOptions) =>
  requestJson(socket, "POST", path, schema, options)

/** DELETE. Succeeds if the object does not exist. */
export const remove = (socket: string, path: string): Effect.Effect<void, EngineApiError> =>
  request(socket, "DELETE", path).pipe(
    Effect.asVoid,
    Effect.catchIf(
      (error) => error.status === 404,
      () => Effect.void
    )
  )

/** Whether an engine responds on this socket. */
export const answers = (socket: string): Effect.Effect<boolean> =>
  Effect.match(request(socket, "GET", "/_ping", { timeout: 2_000 }), { onFailure: () => false, onSuccess: () => true })
