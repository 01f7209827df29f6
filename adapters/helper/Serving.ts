/** What a helper or an agent does for a request, as frames or over a tunnel. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { type ContainerFiles, engineFiles } from "../../src/copy/ContainerFiles.ts"
import type { CopyRefusal } from "../../src/copy/CopyProtocol.ts"
import { DockerEngine } from "../../src/engine/DockerEngine.ts"
import type { EndRun, ExecSpec } from "../../src/executor/ExecSpec.ts"
import { Executor } from "../../src/executor/Executor.ts"
import { OutcomeUnknown } from "../../src/executor/ExecutorErrors.ts"
import { Guard } from "../../src/executor/Guard.ts"
import { ProcessKiller } from "../../src/executor/ProcessKiller.ts"
import type { Ownership } from "../../src/Labels.ts"
import type { HelperRequest } from "../../src/route/HelperRequest.ts"
import type { RemoteError } from "../../src/route/Remote.ts"
import type { Frame } from "../../src/wire/Frame.ts"
import type { Tunnel, TunnelLost } from "../../src/wire/Tunnel.ts"
import { type AdmissionError, endAll, refuse } from "./Admission.ts"
import { serveCopy } from "./CopyServer.ts"
import { greet, type HelperInput, type Serve, serveChannels, serveTunnel } from "./TunnelServer.ts"

/** What is done for a request, or for a part of it. */
export type Frames = Stream.Stream<Frame, RemoteError, DockerEngine>

/** What stands between a request and what is done for it. */
export interface Watch {
  readonly run: (spec: ExecSpec, frames: Frames) => Frames
  readonly end: (runs: ReadonlyArray<EndRun>, frames: Frames) => Frames
  readonly files: (container: string, files: ContainerFiles<CopyRefusal>) => ContainerFiles<CopyRefusal>
}

/** Helpers log nothing: their log carries the output, and is removed with them. */
export const unwatched: Watch = {
  run: (_, frames) => frames,
  end: (_, frames) => frames,
  files: (_, files) => files
}

/** Does it once the request was admitted: `image` gives the ID of our own image then. */
const admittedTo =
  (
    image: Effect.Effect<string, AdmissionError>,
    what: (image: string, input: HelperInput) => Frames
  ): Serve<DockerEngine> =>
  (input) =>
    Stream.unwrap(Effect.map(image, (own) => what(own, input)))

/** Signals of one command that are carried out at the same time. */
const signalsAtOnce = 8

/** Greets the caller and serves its request over a tunnel, to its end. A `TunnelLost` says that the caller went away before. */
export const serveCaller = (
  tunnel: Tunnel,
  request: HelperRequest,
  image: Effect.Effect<string, AdmissionError>,
  watch: Watch
): Effect.Effect<void, TunnelLost, DockerEngine | Scope.Scope> => {
  const { owner, work } = request
  switch (work._tag) {
    case "Copy":
      return Effect.flatMap(DockerEngine, (engine) =>
        Effect.andThen(
          greet(tunnel),
          serveCopy(
            tunnel,
            Effect.map(Effect.andThen(image, engineFiles(engine, work.container, work.policy)), (files) =>
              watch.files(work.container, files)
            )
          )
        )
      )
    case "ExecMany":
      return serveChannels(
        tunnel,
        work.specs.map((spec) => admittedTo(image, (own, input) => watch.run(spec, run(spec, owner, own, input))))
      )
    case "Exec":
    case "End":
      return Effect.andThen(
        greet(tunnel),
        serveTunnel(
          tunnel,
          admittedTo(image, (own, input) => {
            const frames = serveWhole(request, own, input)
            return work._tag === "Exec" ? watch.run(work.spec, frames) : watch.end(work.runs, frames)
          })
        )
      )
  }
}

/** What is served whole. */
export const serveWhole = ({ owner, work }: HelperRequest, image: string, input: HelperInput): Frames => {
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
          Effect.flatMap((ending) => input.answer({ _tag: "Signalled", id, ending }))
        ),
      { concurrency: signalsAtOnce, unordered: true }
    ),
    Stream.drain,
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
