/** What a helper does: reads its request, runs it with the Executor, sends frames to its log, and ends with 0. */

import { readFileSync } from "node:fs"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { DockerEngine } from "../../src/engine/DockerEngine.ts"
import { HelperRequest, requestPath } from "../../src/route/HelperRequest.ts"
import { RemoteError } from "../../src/route/Remote.ts"
import { version } from "../../src/Version.ts"
import { type Frame, FrameWriter, protocolVersion } from "../../src/wire/Frame.ts"
import { lineOf, stderrLogger } from "../LineLogger.ts"
import { say, writeText } from "../Output.ts"
import { admit, refuse } from "./Admission.ts"
import { serveCaller, serveWhole, unwatched } from "./Serving.ts"
import { awaitCaller, type HelperInput, noInput } from "./TunnelServer.ts"

const decodeRequest = Schema.decodeUnknownEffect(Schema.fromJsonString(HelperRequest))
const encodeError = Schema.encodeSync(RemoteError)

/**
 * Serves the request in the secret. The exit code is 0 whatever became of the command, as Swarm may start a failed task
 * again; what became of it is in the frames. Only a helper that can't even report ends with 1.
 */
export const helperCommand: Effect.Effect<number> = Effect.gen(function* () {
  const request = yield* readRequest
  // At once: one that follows a helper that was killed has work to do even if no caller comes any more.
  const admitted = yield* Effect.forkScoped(Effect.flatMap(Effect.fromResult(request), admit))
  if (request._tag === "Success" && request.success.tunnel !== undefined) {
    // Swarm is not to start another one for a caller that went away.
    yield* awaitCaller(request.success.tunnel).pipe(
      Effect.flatMap((tunnel) => serveCaller(tunnel, request.success, Fiber.join(admitted), unwatched)),
      Effect.catch((error) => Effect.logWarning(error.message))
    )
    // Whoever was admitted to nothing may still be ending what its predecessor left.
    yield* Fiber.await(admitted)
    return 0
  }
  // No secret, and OpenSSL takes 5 ms to load.
  const writer = new FrameWriter(Math.floor(Math.random() * 2 ** 32))
  const send = (text: string) => writeText(1, text)
  yield* send(writer.lines({ _tag: "Hello", protocol: protocolVersion, version }))

  const sendFrames = (frames: ReadonlyArray<Frame>) =>
    Effect.suspend(() => send(frames.map((frame) => writer.lines(frame)).join("")))
  const frames = Effect.flatMap(Fiber.join(admitted), (image) =>
    Effect.map(Effect.fromResult(request), (found) => serveWhole(found, image, inputOf(found)))
  )
  yield* Stream.unwrap(frames).pipe(
    Stream.runForEachArray(sendFrames),
    Effect.catchIf(
      (error) => error._tag !== "OutputClosed" && error._tag !== "OutputFailed",
      (error) => send(writer.lines({ _tag: "Failed", error: encodeError(error) }))
    )
  )
  return 0
}).pipe(
  Effect.scoped,
  Effect.provide(DockerEngine.layer),
  Effect.provide(stderrLogger(lineOf("helper", "text"), "Warn")),
  Effect.catch((error) => Effect.as(say(`helper: ${error.message}\n`), 1))
)

/** Without a tunnel, what the command reads came with the request. */
const inputOf = ({ work }: HelperRequest): HelperInput =>
  work._tag === "Exec" && work.input !== undefined ? { ...noInput, stdin: Stream.make(work.input) } : noInput

const readRequest = Effect.try(() => readFileSync(requestPath, "utf8")).pipe(
  Effect.flatMap(decodeRequest),
  Effect.mapError((error) => refuse(`its request is not readable: ${error.message}`)),
  Effect.result
)
