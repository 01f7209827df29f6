import { createServer, type RequestListener } from "node:http"
import { assert, describe, it } from "@effect/vitest"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { exportSpans } from "../../adapters/Telemetry.ts"

/** Starts a local server. Returns its address. */
const serve = (listener: RequestListener) =>
  Effect.acquireRelease(
    Effect.promise(
      () =>
        new Promise<ReturnType<typeof createServer>>((resolve) => {
          const server = createServer(listener)
          server.listen(0, "127.0.0.1", () => resolve(server))
        })
    ),
    (server) =>
      Effect.promise(
        () =>
          new Promise<void>((resolve) => {
            server.close(() => resolve())
            server.closeAllConnections()
          })
      )
  ).pipe(
    Effect.map((server) => {
      const address = server.address()
      assert(typeof address === "object" && address !== null)
      return `http://127.0.0.1:${address.port}`
    })
  )

const withEnvironment = (variables: Record<string, string>) =>
  Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromEnvRecord(variables))

/** A run whose spans are sent to this collector. */
const runTo = <E>(endpoint: string, run: Effect.Effect<number, E>, more: Record<string, string> = {}) =>
  exportSpans(run).pipe(withEnvironment({ OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, ...more }))

describe("spans for a collector", () => {
  it.live("do not change the result of a run, whatever the collector does", () =>
    Effect.gen(function* () {
      const silent = yield* serve(() => undefined)
      const unwilling = yield* serve((_, response) => response.writeHead(503).end())
      const gone = yield* Effect.scoped(serve(() => undefined))
      const check = (endpoint: string) =>
        Effect.gen(function* () {
          const good = runTo(endpoint, Effect.succeed(7))
          const bad = Effect.flip(runTo(endpoint, Effect.fail("no")))
          const interrupted = Effect.exit(runTo(endpoint, Effect.interrupt))
          const [code, error, exit] = yield* Effect.all([good, bad, interrupted], { concurrency: "unbounded" })
          assert.deepStrictEqual([code, error, Exit.hasInterrupts(exit)], [7, "no", true], endpoint)
        })
      yield* Effect.forEach([silent, unwilling, gone, "no address"], check, { concurrency: "unbounded" })
    })
  )

  it.live("are sent to the address, with the headers and names, that the environment sets", () =>
    Effect.gen(function* () {
      const seen: Array<{ readonly url: string | undefined; readonly key: unknown; readonly body: string }> = []
      const address = yield* serve((request, response) => {
        let body = ""
        request.on("data", (chunk) => {
          body += String(chunk)
        })
        request.on("end", () => {
          seen.push({ url: request.url, key: request.headers["x-key"], body })
          response.end("{}")
        })
      })
      const run = (variables: Record<string, string>, path = "") => runTo(address + path, Effect.succeed(0), variables)
      yield* run({})
      yield* run({ OTEL_SERVICE_NAME: "nightly", OTEL_EXPORTER_OTLP_HEADERS: "x-key=a%20b,x=y" }, "/in/")
      yield* run({ OTEL_RESOURCE_ATTRIBUTES: "service.name=weekly,zone=a" })
      yield* run({ OTEL_SDK_DISABLED: "true" })
      assert.deepStrictEqual(
        seen.map(({ key, url }) => [url, key]),
        [
          ["/v1/traces", undefined],
          ["/in/v1/traces", "a b"],
          ["/v1/traces", undefined]
        ]
      )
      const nameOf = (body: string) => /"service\.name","value":\{"stringValue":"([^"]*)"/.exec(body)?.[1]
      assert.deepStrictEqual(
        seen.map(({ body }) => nameOf(body)),
        ["task-exec", "nightly", "weekly"]
      )
      assert.include(seen[2]?.body ?? "", '"zone"')
    })
  )
})
