/** The helper: reads its request, serves it, and reports by its log and, once the caller has connected, by a tunnel. */

import { readFileSync } from "node:fs"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { TunnelLost } from "../../src/carrier/Channel.ts"
import { FrameWriter, protocolVersion } from "../../src/carrier/Frame.ts"
import { DockerEngine } from "../../src/engine/DockerEngine.ts"
import type { OutcomeUnknown } from "../../src/executor/ExecutorErrors.ts"
import { HelperRequest, requestPath } from "../../src/helper/HelperRequest.ts"
import { memoize } from "../../src/internal/memoize.ts"
import { type AdmissionError, admit, refuse } from "../../src/protocol/Admission.ts"
import { byLog, byLogThenTunnel, type Log, type NodeCarrier } from "../../src/protocol/NodeCarrier.ts"
import { serveRequest, unwatched } from "../../src/protocol/ServeRequest.ts"
import { failedFrame } from "../../src/protocol/Server.ts"
import { version } from "../../src/Version.ts"
import { lineOf, stderrLogger } from "../LineLogger.ts"
import { type OutputClosed, type OutputFailed, writeAll, writeStderr } from "../Output.ts"
import { startListener } from "./Listener.ts"

const decodeRequest = Schema.decodeUnknownEffect(Schema.fromJsonString(HelperRequest))

/**
 * Serves the request in the secret. Returns 0 whatever the result of the command, because Swarm may restart a task that fails; the frames
 * hold the result. Returns 1 only if the helper can't report.
 */
export const helperCommand: Effect.Effect<number> = Effect.gen(function* () {
  const request = yield* readRequest
  // Without waiting for the caller: the successor of a killed helper kills commands even if its caller is gone.
  const admitted = yield* memoize(Effect.flatMap(Effect.fromResult(request), admit))
  yield* Effect.forkScoped(Effect.ignore(admitted))
  // The origin is no secret, and OpenSSL takes 5 ms to load.
  const writer = new FrameWriter(Math.floor(Math.random() * 2 ** 32))
  const log: Log<OutputClosed | OutputFailed> = {
    // Base64 needs no escaping, which text for people does.
    write: (channel, frames) =>
      Effect.suspend(() => {
        const lines = frames.map((frame) => writer.lines(frame, channel)).join("")
        return Effect.as(writeAll(1, Buffer.from(lines, "latin1")), lines.length)
      })
  }
  yield* log.write(0, [{ _tag: "Hello", protocol: protocolVersion, version }])
  if (request._tag === "Failure") {
    yield* log.write(0, [failedFrame(request.failure)])
    return 0
  }
  const carrier = yield* carrierFor(request.success, admitted, log)
  yield* serveRequest(carrier, request.success, admitted, unwatched).pipe(
    // Without this the helper would fail, and Swarm would start a successor for a caller that has disconnected.
    Effect.catchTag("TunnelLost", (error) => Effect.logWarning(error.message))
  )
  // A helper that is refused may still kill the commands of its predecessor.
  yield* Effect.ignore(admitted)
  return 0
}).pipe(
  Effect.scoped,
  Effect.provide(DockerEngine.layerLocal),
  Effect.provide(stderrLogger(lineOf("helper", "text"), "Warn")),
  Effect.catch((error) => Effect.as(writeStderr(`helper: ${error.message}\n`), 1))
)

/** Returns the carrier of a request. A request that is refused gets no listener: the log holds the reason. */
const carrierFor = Effect.fnUntraced(function* (
  { owner, tunnel, work }: HelperRequest,
  admitted: Effect.Effect<string, AdmissionError, DockerEngine>,
  log: Log<OutputClosed | OutputFailed>
): Effect.fn.Return<NodeCarrier<OutputClosed | OutputFailed | OutcomeUnknown>, never, DockerEngine | Scope.Scope> {
  if (tunnel === undefined) return yield* byLog(log)
  const engine = yield* DockerEngine
  const commands = work._tag === "Exec" ? work.specs.length : 0
  return yield* byLogThenTunnel(log, {
    from: tunnel.from,
    open: (report) =>
      Effect.catch(admitted, () => Effect.never).pipe(
        Effect.flatMap((image) => startListener({ owner, image, tunnel, commands }, report)),
        Effect.mapError(({ message }) => new TunnelLost({ detail: message })),
        Effect.provideService(DockerEngine, engine)
      )
  })
})

const readRequest = Effect.try(() => readFileSync(requestPath, "utf8")).pipe(
  Effect.flatMap(decodeRequest),
  Effect.mapError((error) => refuse(`its request is invalid: ${error.message}`)),
  Effect.result
)
