/** Serves a request in a helper or an agent. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { TunnelLost } from "../carrier/Channel.ts"
import type { Frame } from "../carrier/Frame.ts"
import { DockerEngine } from "../engine/DockerEngine.ts"
import type { EndRun, ExecSpec } from "../executor/ExecSpec.ts"
import { Executor } from "../executor/Executor.ts"
import { Guard } from "../executor/Guard.ts"
import { ProcessKiller } from "../executor/ProcessKiller.ts"
import type { HelperRequest } from "../helper/HelperRequest.ts"
import type { Ownership } from "../Labels.ts"
import { type AdmissionError, endAll } from "./Admission.ts"
import type { RemoteError } from "./CommandMessages.ts"
import { type ContainerFiles, engineFiles } from "./ContainerFiles.ts"
import type { FilesRefusal } from "./FilesMessages.ts"
import { serveFiles } from "./FilesServer.ts"
import type { NodeCarrier } from "./NodeCarrier.ts"
import { type CallerInput, failedFrame, serveCommands } from "./Server.ts"

/** The frames of the response to a request, or to a part of it. */
export type Frames = Stream.Stream<Frame, RemoteError, DockerEngine>

/** Observes the work for a request. */
export interface Watch {
  readonly run: (spec: ExecSpec, frames: Frames) => Frames
  readonly end: (runs: ReadonlyArray<EndRun>, frames: Frames) => Frames
  readonly files: (container: string, files: ContainerFiles<FilesRefusal>) => ContainerFiles<FilesRefusal>
}

/** Observes nothing. Helpers keep no records: their log holds the output, and is removed with them. */
export const unwatched: Watch = {
  run: (_, frames) => frames,
  end: (_, frames) => frames,
  files: (_, files) => files
}

/** The most signals of one command that are sent at the same time. */
const signalsAtOnce = 8

/**
 * Serves a request to its end. Starts when `admitted` has returned the ID of the helper's image. Fails with `TunnelLost` if the caller
 * disconnects.
 */
export const serveRequest = <E extends { readonly _tag: string }>(
  carrier: NodeCarrier<E>,
  { owner, work }: HelperRequest,
  admitted: Effect.Effect<string, AdmissionError, DockerEngine>,
  watch: Watch
): Effect.Effect<void, E | TunnelLost, DockerEngine | Scope.Scope> => {
  const onceAdmitted = (serve: (image: string) => Frames): Frames => Stream.unwrap(Effect.map(admitted, serve))
  switch (work._tag) {
    case "Exec":
      return serveCommands(
        carrier,
        work.specs.map((spec, index) => ({
          begins: work.begin.includes(index),
          input: work.input,
          run: (input) => onceAdmitted((image) => watch.run(spec, run(spec, owner, image, input)))
        }))
      )
    case "End":
      return onceAdmitted((image) => watch.end(work.runs, end(work.runs, owner, image))).pipe(
        Stream.catch((error) => Stream.make(failedFrame(error))),
        Stream.runForEachArray((frames) => carrier.send(0, frames))
      )
    case "Copy":
      return Effect.gen(function* () {
        const engine = yield* DockerEngine
        const files = Effect.andThen(admitted, engineFiles(engine, work.container, work.policy))
        yield* serveFiles(
          carrier,
          Effect.map(files, (all) => watch.files(work.container, all))
        )
      })
  }
}

const end = (runs: ReadonlyArray<EndRun>, owner: Ownership, image: string): Frames =>
  Stream.fromEffect(endAll(runs)).pipe(
    Stream.map((killResults): Frame => ({ _tag: "Ended", killResults })),
    Stream.provide(ProcessKiller.layer({ image: Effect.succeed(image), owner }))
  )

/** Runs a command, and sends it the caller's signals. */
const run = (spec: ExecSpec, owner: Ownership, image: string, input: CallerInput): Frames => {
  const { container, runId } = spec
  const killer = ProcessKiller.layer({ image: Effect.succeed(image), owner })
  const over = Deferred.makeUnsafe<void>()
  const responses = input.signals.pipe(
    Stream.interruptWhen(Deferred.await(over)),
    // A signal does not wait for the result of the previous one.
    Stream.mapEffect(
      ({ grace, id, signal }) =>
        ProcessKiller.use(({ end }) => end({ runId, container, signal, grace })).pipe(
          Effect.flatMap((killResult) => input.respond({ _tag: "Signalled", id, killResult }))
        ),
      { concurrency: signalsAtOnce, unordered: true }
    ),
    Stream.drain,
    Stream.provide(killer)
  )
  const events = Stream.unwrap(Executor.use(({ exec }) => Effect.succeed(exec(spec, input)))).pipe(
    Stream.provide(
      Executor.layer({ image: Effect.succeed(image) }).pipe(Layer.provide(Guard.none), Layer.provide(killer))
    ),
    Stream.ensuring(Deferred.succeed(over, undefined))
  )
  // Not merged into the events, which would take a queue and a fiber for each piece of output.
  return Stream.unwrap(
    Effect.map(Effect.forkScoped(Stream.runDrain(responses)), (responding) =>
      // A signal is still sent after the command has ended, because its child processes may still run.
      Stream.concat(events, Stream.fromEffectDrain(Fiber.join(responding)))
    )
  )
}
