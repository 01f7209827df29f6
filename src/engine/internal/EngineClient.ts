/** Sends requests to one engine over HTTP, with docker-modem. */
import { type IncomingHttpHeaders, IncomingMessage } from "node:http"
import { Duplex, type Readable } from "node:stream"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import { type Endpoint, format } from "../Endpoint.ts"
import {
  type EngineError,
  EngineUnreachable,
  type InvalidEndpoint,
  type NotSwarmManager,
  UnexpectedReply
} from "../EngineErrors.ts"
import { explainFailure, explainStatus, type RequestOrigin } from "../explain.ts"
import { makeAgent } from "../makeAgent.ts"
import { dockerModem, everyStatus } from "./DockerModem.ts"
import { type EngineSilent, makeHeartbeat } from "./Heartbeat.ts"
import { collect, parseJson } from "./ResponseBody.ts"
import { makeStreamReadable } from "./StreamReadable.ts"

/** A request. */
export interface Request {
  /** The operation, to follow "cannot" in a message: `list tasks`. */
  readonly operation: string
  readonly method: "GET" | "HEAD" | "POST" | "PUT" | "DELETE"
  readonly path: string
  /** Objects are sent as JSON, without absent values. */
  readonly query?: Readonly<Record<string, unknown>>
  readonly body?: object
  readonly headers?: Readonly<Record<string, string>>
  /** The timeout of the response; for streams, of its start. May be infinite. */
  readonly timeout: Duration.Duration
}

/** The errors of requests. Only requests about the swarm fail with `NotSwarmManager`. */
export type RequestFailure = EngineUnreachable | EngineError | UnexpectedReply | NotSwarmManager

/** Sends requests to one engine. */
export interface EngineClient {
  readonly host: string
  /** Returns the whole response as bytes. */
  readonly request: (request: Request) => Effect.Effect<Buffer, RequestFailure>
  /** Returns the whole response, decoded from JSON. `null` in objects counts as absent. */
  readonly json: <A, I>(schema: Schema.Codec<A, I>) => (request: Request) => Effect.Effect<A, RequestFailure>
  /** Returns the headers of the response. */
  readonly head: (request: Request) => Effect.Effect<IncomingHttpHeaders, RequestFailure>
  /**
   * Sends a streamed body, with backpressure. Completes when the engine has responded and the body has ended. An engine responds at the end
   * of an archive. Bytes that come later are dropped, for at most 30 seconds. If the body fails, the request fails. If the engine refuses
   * the body, the body is interrupted.
   */
  readonly upload: <E>(request: Request, body: Stream.Stream<Uint8Array, E>) => Effect.Effect<void, RequestFailure | E>
  /** Returns a streamed response. */
  readonly stream: (request: Request) => Effect.Effect<IncomingMessage, RequestFailure, Scope.Scope>
  /** Returns the raw connection after the engine has accepted the upgrade. */
  readonly hijack: (request: Request) => Effect.Effect<Duplex, RequestFailure, Scope.Scope>
  /** Returns the error for a stream that breaks. */
  readonly broken: (operation: string) => (cause: unknown) => EngineUnreachable
  /** Returns the error for a timeout. */
  readonly timedOut: (operation: string, timeout: Duration.Duration) => EngineUnreachable
}

/**
 * The time within which a body must end after the engine has confirmed it. Programs pad an archive to the size of their blocks, and may
 * close their pipe late: "task-exec cp" does so after it has removed its helper.
 */
const bodyTimeout = "30 seconds"

/** The most bytes of an error response. Those of engines are shorter. */
const errorBodyLimit = 64 * 1024

/** Makes the client of one engine. It connects on first use, and its connections close with the scope. */
export const makeEngineClient = Effect.fnUntraced(function* (
  endpoint: Endpoint
): Effect.fn.Return<EngineClient, InvalidEndpoint, Scope.Scope> {
  const agent = yield* makeAgent(endpoint)
  const modem = dockerModem(agent)
  const host = format(endpoint)
  const basePath = "basePath" in endpoint ? endpoint.basePath : ""
  const hostHeader =
    "port" in endpoint && endpoint._tag !== "Ssh" ? { Host: hostAndPort(endpoint) } : { Host: "docker" }

  /** Sends a request. Completes with the head of the response. The response or the upgraded connection is closed with the scope. */
  const send = Effect.fnUntraced(function* (
    request: Request,
    hijack: boolean,
    body: Readable | undefined,
    watch: (giveUp: (silence: EngineSilent) => void) => Effect.Effect<void, never, Scope.Scope>
  ): Effect.fn.Return<IncomingMessage | Duplex, RequestFailure, Scope.Scope> {
    const origin: RequestOrigin = { endpoint, operation: request.operation }
    const abort = new AbortController()
    const opened: { current: Readable | undefined } = { current: undefined }
    let refuse: ((error: RequestFailure) => void) | undefined
    yield* Effect.addFinalizer(() => Effect.sync(() => opened.current?.destroy()))
    yield* watch((error) => {
      refuse?.(explainFailure(origin, error))
      // The reader of the response receives the error, too.
      opened.current?.destroy(error)
      abort.abort()
    })
    return yield* Effect.callback<IncomingMessage | Duplex, RequestFailure>((resume, interrupted) => {
      interrupted.addEventListener("abort", () => abort.abort())
      const { signal } = abort
      refuse = (error) => resume(Effect.fail(error))
      const query = Object.entries(request.query ?? {}).filter(([, value]) => value !== undefined)
      modem.dial(
        {
          // docker-modem appends `_query` only to a path that ends with "?".
          path: `${basePath}${request.path}${query.length === 0 ? "" : "?"}`,
          method: request.method,
          headers: { ...hostHeader, ...request.headers },
          options: { _query: Object.fromEntries(query), _body: request.body ?? {} },
          ...(body === undefined ? {} : { file: body }),
          isStream: true,
          hijack,
          statusCodes: everyStatus,
          abortSignal: signal
        },
        (error, result) => {
          if (result instanceof IncomingMessage || result instanceof Duplex) {
            // Readers have listeners of their own. Before and after that, an error event without a listener would end the process.
            result.on("error", () => {})
            if (signal.aborted) result.destroy()
            opened.current = result
            resume(Effect.succeed(result))
          } else resume(Effect.fail(explainFailure(origin, error)))
        }
      )
    })
  })

  const ping = send(
    { operation: "ping the engine", method: "GET", path: "/_ping", timeout: Duration.infinity },
    false,
    undefined,
    () => Effect.void
  )
  const heartbeat = yield* makeHeartbeat({
    received: () => agent.received(),
    // Every result ends the silence, even a refused connection.
    ping: ping.pipe(Effect.scoped, Effect.ignore)
  })

  /** Sends a request unless the engine is known to be silent. The request fails when the engine falls silent. */
  const dial = (
    request: Request,
    hijack: boolean,
    body?: Readable
  ): Effect.Effect<IncomingMessage | Duplex, RequestFailure, Scope.Scope> =>
    heartbeat.admit.pipe(
      Effect.mapError((silence) => explainFailure({ endpoint, operation: request.operation }, silence)),
      Effect.andThen(send(request, hijack, body, heartbeat.exchange))
    )

  const failed = (request: Request, response: IncomingMessage, status: number) =>
    Effect.flatMap(collect({ endpoint, operation: request.operation }, response, errorBodyLimit), (body) =>
      Effect.fail(explainStatus({ endpoint, operation: request.operation }, status, body.toString("utf8")))
    )

  /** Sends a request, and returns the response if its status is a success. Other responses become errors. */
  const open = (request: Request, body?: Readable): Effect.Effect<IncomingMessage, RequestFailure, Scope.Scope> =>
    Effect.flatMap(dial(request, false, body), (response) => {
      if (!(response instanceof IncomingMessage))
        return Effect.fail(unexpected(request, "unexpected upgrade of the connection"))
      const status = response.statusCode ?? 0
      return (status >= 200 && status < 300) || status === 304
        ? Effect.succeed(response)
        : failed(request, response, status)
    })

  const unexpected = (request: Request, detail: string) =>
    new UnexpectedReply({ host, operation: request.operation, detail })

  const bounded =
    (request: Request) =>
    <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E | EngineUnreachable, R> =>
      Duration.isFinite(request.timeout)
        ? Effect.timeoutOrElse(effect, {
            duration: request.timeout,
            orElse: () => Effect.fail(timedOut(request.operation, request.timeout))
          })
        : effect

  const timedOut = (operation: string, timeout: Duration.Duration) =>
    new EngineUnreachable({
      host,
      operation,
      reason: "Timeout",
      detail: `no response within ${Duration.format(timeout)}`
    })

  const requestOnce = (request: Request): Effect.Effect<Buffer, RequestFailure> =>
    Effect.scoped(
      Effect.flatMap(open(request), (response) => collect({ endpoint, operation: request.operation }, response))
    )

  const request = (request: Request): Effect.Effect<Buffer, RequestFailure> =>
    (request.method === "GET" && endpoint._tag !== "Unix"
      ? // A connection that was kept from an earlier request may be dead. A GET changes nothing, so it can be sent again.
        Effect.retry(requestOnce(request), {
          times: 1,
          while: (error) => error._tag === "EngineUnreachable" && error.reason === "Lost"
        })
      : requestOnce(request)
    ).pipe(
      bounded(request),
      Effect.withSpan("DockerEngine.request", {
        attributes: { host, operation: request.operation, method: request.method, path: request.path }
      })
    )

  return {
    host,
    timedOut,
    request,
    json: (schema) => {
      const decode = Schema.decodeUnknownEffect(schema)
      return (options) =>
        Effect.flatMap(request(options), (body) => {
          const text = body.toString("utf8")
          const parsed = parseJson(text)
          if (parsed === undefined)
            return Effect.fail(
              unexpected(
                options,
                text === ""
                  ? "the response is empty instead of JSON"
                  : `the response is not JSON: ${JSON.stringify(text.slice(0, 80))}`
              )
            )
          return Effect.mapError(decode(parsed.value), (error) =>
            unexpected(options, error.message.replace(/\s+/g, " ").slice(0, 300))
          )
        })
    },
    head: (request) => Effect.scoped(Effect.map(open(request), ({ headers }) => headers)).pipe(bounded(request)),
    upload: (request, body) =>
      Effect.gen(function* () {
        const upload = yield* makeStreamReadable
        const sending = yield* Effect.forkScoped(upload.send(body))
        const broken = Effect.andThen(Fiber.join(sending), Effect.never)
        const response = yield* Effect.raceFirst(open(request, upload.readable), broken).pipe(
          Effect.tap((response) => collect({ endpoint, operation: request.operation }, response)),
          Effect.scoped
        )
        if (sending.pollUnsafe() !== undefined) return
        yield* upload.discard
        // The request over this connection never ends, so the agent would keep the connection without using it again.
        response.socket.destroy()
        yield* Fiber.join(sending).pipe(
          Effect.timeoutOrElse({
            duration: bodyTimeout,
            orElse: () => Effect.fail(unexpected(request, "it responded before it had received all data"))
          })
        )
      }).pipe(bounded(request), Effect.scoped),
    stream: (request) => bounded(request)(open(request)),
    hijack: (request) =>
      Effect.flatMap(dial(request, true), (result) => {
        if (!(result instanceof IncomingMessage)) return Effect.succeed(result)
        const status = result.statusCode ?? 0
        return status >= 400
          ? failed(request, result, status)
          : Effect.fail(
              unexpected(request, `HTTP status ${status} instead of an upgraded connection, perhaps from a proxy`)
            )
      }).pipe(bounded(request)),
    broken: (operation) => (cause) => {
      const error = explainFailure({ endpoint, operation }, cause)
      return error._tag === "EngineUnreachable"
        ? error
        : new EngineUnreachable({ host, operation, reason: "Lost", detail: error.detail, cause })
    }
  }
})

const hostAndPort = (endpoint: { readonly host: string; readonly port: number }): string =>
  `${endpoint.host.includes(":") ? `[${endpoint.host}]` : endpoint.host}:${endpoint.port}`
