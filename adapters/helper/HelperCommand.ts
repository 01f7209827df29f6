/** What a helper does: reads its request, runs it with the Executor, sends frames to its log, and ends with 0. */

import { readFileSync } from "node:fs"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { engineFiles } from "../../src/copy/ContainerFiles.ts"
import { DockerEngine } from "../../src/engine/DockerEngine.ts"
import type { ExecSpec } from "../../src/executor/ExecSpec.ts"
import { Executor } from "../../src/executor/Executor.ts"
import { OutcomeUnknown } from "../../src/executor/ExecutorErrors.ts"
import { Guard } from "../../src/executor/Guard.ts"
import { ProcessKiller } from "../../src/executor/ProcessKiller.ts"
import type { Ownership } from "../../src/Labels.ts"
import { HelperRequest, requestPath } from "../../src/route/HelperRequest.ts"
import { RemoteError } from "../../src/route/Remote.ts"
import { version } from "../../src/Version.ts"
import { type Frame, FrameWriter, protocolVersion } from "../../src/wire/Frame.ts"
import { lineOf, stderrLogger } from "../LineLogger.ts"
import { writeText } from "../Output.ts"
import { type AdmissionError, admit, endAll, refuse } from "./Admission.ts"
import { serveCopy } from "./CopyServer.ts"
import { awaitCaller, type HelperInput, noInput, type Serve, serveChannels, serveTunnel } from "./TunnelServer.ts"

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
  const admittedTo =
    (what: (request: HelperRequest, image: string, input: HelperInput) => Frames): Serve<DockerEngine> =>
    (input) =>
      Stream.unwrap(
        Effect.flatMap(Fiber.join(admitted), (image) =>
          Effect.map(Effect.fromResult(request), (found) => what(found, image, input))
        )
      )
  if (request._tag === "Success" && request.success.tunnel !== undefined) {
    // Swarm is not to start another one for a caller that went away.
    yield* serveCaller(request.success, request.success.tunnel, Fiber.join(admitted), admittedTo).pipe(
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
  yield* admittedTo(serve)(noInput).pipe(
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
  Effect.catch((error) => Effect.as(Effect.ignore(writeText(2, `helper: ${error.message}\n`)), 1))
)

const readRequest = Effect.try(() => readFileSync(requestPath, "utf8")).pipe(
  Effect.flatMap(decodeRequest),
  Effect.mapError((error) => refuse(`its request is not readable: ${error.message}`)),
  Effect.result
)

/** Serves the one caller of a tunnel. */
const serveCaller = Effect.fnUntraced(function* (
  { work }: HelperRequest,
  key: { readonly key: string },
  admitted: Effect.Effect<string, AdmissionError>,
  admittedTo: (what: (request: HelperRequest, image: string, input: HelperInput) => Frames) => Serve<DockerEngine>
) {
  const tunnel = yield* awaitCaller(key)
  switch (work._tag) {
    case "Copy": {
      const engine = yield* DockerEngine
      return yield* serveCopy(tunnel, Effect.andThen(admitted, engineFiles(engine, work.container, work.policy)))
    }
    case "ExecMany":
      return yield* serveChannels(
        tunnel,
        work.specs.map((spec) => admittedTo(({ owner }, image, input) => run(spec, owner, image, input)))
      )
    case "Exec":
    case "End":
      return yield* serveTunnel(tunnel, admittedTo(serve))
  }
})

type Frames = Stream.Stream<Frame, RemoteError, DockerEngine>

/** What is served whole. */
const serve = ({ owner, work }: HelperRequest, image: string, input: HelperInput): Frames => {
  switch (work._tag) {
    case "Exec":
      return limitOutput(work.maxOutput)(run(work.spec, owner, image, input))
    case "End":
      return Stream.fromEffect(endAll(work.runs)).pipe(
        Stream.map((endings): Frame => ({ _tag: "Ended", endings })),
        Stream.provide(ProcessKiller.layer({ image: Effect.succeed(image), owner }))
      )
    case "Copy":
    case "ExecMany":
      return Stream.fail(refuse("this needs a tunnel"))
  }
}

/** Runs a command, and sends it the signals that come. */
const run = (spec: ExecSpec, owner: Ownership, image: string, input: HelperInput): Frames => {
  const { container, runId } = spec
  const killer = ProcessKiller.layer({ image: Effect.succeed(image), owner })
  const over = Deferred.makeUnsafe<void>()
  const answers = input.signals.pipe(
    Stream.interruptWhen(Deferred.await(over)),
    // The next signal does not wait for what this one does.
    Stream.mapEffect(
      ({ grace, id, signal }) =>
        ProcessKiller.use(({ end }) => end({ runId, container, signal, grace })).pipe(
          Effect.map((ending): Frame => ({ _tag: "Signalled", id, ending }))
        ),
      { concurrency: "unbounded", unordered: true }
    ),
    Stream.provide(killer)
  )
  return Stream.unwrap(Executor.use(({ exec }) => Effect.succeed(exec(spec, input)))).pipe(
    Stream.provide(Executor.layer.pipe(Layer.provide(Guard.none), Layer.provide(killer))),
    Stream.ensuring(Deferred.succeed(over, undefined)),
    // What a signal does goes on after the command's end: to what the command left behind.
    Stream.merge(answers)
  )
}

/** The log of a helper takes disk space on its node, so it has an end. */
const limitOutput =
  (limit: number) =>
  (frames: Frames): Frames => {
    let bytes = 0
    return frames.pipe(
      Stream.tap((frame) => {
        if (frame._tag === "Stdout" || frame._tag === "Stderr") bytes += frame.data.length
        return bytes > limit
          ? new OutcomeUnknown({
              detail: `it wrote more than ${limit} bytes, which is the limit of this route; it was ended`
            })
          : Effect.void
      })
    )
  }
