/**
 * Sends the spans of a run to an OpenTelemetry collector: OTLP over HTTP, as JSON. It reads these variables of the OpenTelemetry
 * specification: `OTEL_EXPORTER_OTLP_ENDPOINT` (to which `/v1/traces` is added), `OTEL_EXPORTER_OTLP_HEADERS`, `OTEL_SERVICE_NAME`,
 * `OTEL_RESOURCE_ATTRIBUTES` and `OTEL_SDK_DISABLED`.
 *
 * Sending spans changes neither the output nor the exit code of a run. It can delay the end of a run by {@link flushTimeout}.
 */
import * as Cause from "effect/Cause"
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientError from "effect/http/HttpClientError"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as OtlpExporter from "effect/observability/OtlpExporter"
import * as OtlpSerialization from "effect/observability/OtlpSerialization"
import * as OtlpTracer from "effect/observability/OtlpTracer"
import * as Schema from "effect/Schema"
import { version } from "../src/Version.ts"

/** How long sending the last spans may take. */
const flushTimeout = "1 second"
/** How long a collector may take to respond during the run. */
const responseTimeout = "10 seconds"
/** How long other requests to the collector may take at the end. */
const endTimeout = "100 millis"

const program = "task-exec"

const settings = Config.all({
  endpoint: Config.URL("OTEL_EXPORTER_OTLP_ENDPOINT"),
  headers: Config.Record(Schema.String, Schema.StringFromUriComponent, "OTEL_EXPORTER_OTLP_HEADERS").pipe(
    Config.withDefault({})
  ),
  name: Config.String("OTEL_SERVICE_NAME").pipe(Config.withDefault("")),
  attributes: Config.String("OTEL_RESOURCE_ATTRIBUTES").pipe(Config.withDefault("")),
  isDisabled: Config.Boolean("OTEL_SDK_DISABLED").pipe(Config.withDefault(false))
})

/** An HTTP client with a timeout. Without it, a silent collector blocks the exporter, and spans pile up. */
const clientWithTimeout = Layer.effect(
  HttpClient.HttpClient,
  HttpClient.HttpClient.use((client) =>
    Effect.succeed(
      HttpClient.transform(client, (response, request) =>
        Effect.timeoutOrElse(response, {
          duration: responseTimeout,
          orElse: () => {
            const reason = new HttpClientError.TransportError({ request, description: "no response" })
            return Effect.fail(new HttpClientError.HttpClientError({ reason }))
          }
        })
      )
    )
  )
).pipe(Layer.provide(FetchHttpClient.layer))

/** The exporter. Sends nothing if `OTEL_SDK_DISABLED` is set. */
const exporter = Layer.unwrap(
  Effect.map(settings, ({ attributes, endpoint, headers, isDisabled, name }) => {
    if (isDisabled) return OtlpExporter.layerFlusher
    const url = new URL(endpoint)
    url.pathname = `${url.pathname.replace(/\/$/, "")}/v1/traces`
    const isNamed = name !== "" || /(?:^|,)\s*service\.name\s*=/.test(attributes)
    return OtlpTracer.layer({
      url: url.href,
      headers,
      resource: { serviceVersion: version, ...(isNamed ? {} : { serviceName: program }) },
      shutdownTimeout: endTimeout
    })
  })
).pipe(Layer.provide(OtlpSerialization.layerJson), Layer.provide(clientWithTimeout))

/** Runs a program as a span, with its stages as child spans, and sends them when it has ended. */
export const exportSpans = <E>(run: Effect.Effect<number, E>): Effect.Effect<number, E> =>
  Effect.gen(function* () {
    const made = yield* Effect.exit(Layer.build(exporter))
    if (Exit.isFailure(made)) {
      yield* Effect.logDebug(`not sending spans: ${Cause.pretty(made.cause)}`)
      return yield* run
    }
    const { flush } = Context.get(made.value, OtlpExporter.Flusher)
    return yield* run.pipe(
      Effect.tap((code) => Effect.annotateCurrentSpan("process.exit.code", code)),
      Effect.withSpan(program),
      Effect.onExit(() =>
        flush.pipe(
          Effect.interruptible,
          Effect.timeoutOption(flushTimeout),
          Effect.tap((done) =>
            Option.isSome(done) ? Effect.void : Effect.logDebug("the collector did not accept the last spans in time")
          )
        )
      ),
      Effect.provideContext(made.value)
    )
  }).pipe(Effect.scoped)
