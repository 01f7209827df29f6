/** What a helper does: reads its request, runs it with the Executor, sends frames to its log, and ends with 0. */

import { randomBytes } from "node:crypto"
import { readFileSync } from "node:fs"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { DockerEngine } from "../../src/engine/DockerEngine.ts"
import type { ContainerSummary } from "../../src/engine/EngineSchemas.ts"
import type { ExecEvent } from "../../src/executor/ExecEvent.ts"
import { Executor } from "../../src/executor/Executor.ts"
import { describeEnding, OutcomeUnknown } from "../../src/executor/ExecutorErrors.ts"
import { Guard } from "../../src/executor/Guard.ts"
import { ProcessKiller } from "../../src/executor/ProcessKiller.ts"
import { labelKeys } from "../../src/Labels.ts"
import { HelperRefused } from "../../src/route/HelperErrors.ts"
import { HelperRequest, helperVariables, requestPath } from "../../src/route/HelperRequest.ts"
import { RemoteError } from "../../src/route/Remote.ts"
import { version } from "../../src/Version.ts"
import { type Frame, FrameWriter, protocolVersion } from "../../src/wire/Frame.ts"
import { stderrLogger } from "../LineLogger.ts"
import { writeText } from "../Output.ts"
import { type HelperInput, noInput, serveTunnel } from "./TunnelServer.ts"
import { nameRemapping } from "./UidMap.ts"

const decodeRequest = Schema.decodeUnknownEffect(Schema.fromJsonString(HelperRequest))
const encodeError = Schema.encodeSync(RemoteError)

/** Output of neighbouring events of the same stream is joined up to this many bytes before it becomes frames. */
const joined = 256 * 1024

/**
 * Serves the request in the secret. The exit code is 0 whatever became of the command, as Swarm may start a failed task
 * again; what became of it is in the frames. Only a helper that can't even report ends with 1.
 */
export const helperCommand: Effect.Effect<number> = Effect.gen(function* () {
  const request = yield* readRequest
  if (request._tag === "Success" && request.success.tunnel !== undefined) {
    // Swarm is not to start another one for a caller that went away.
    yield* serveTunnel(request.success.tunnel, (input) => serve(request.success, input)).pipe(
      Effect.catch((error) => Effect.logWarning(error.message))
    )
    return 0
  }
  const writer = new FrameWriter(randomBytes(4).readUInt32BE())
  const send = (text: string) => writeText(1, text)
  yield* send(writer.lines({ _tag: "Hello", protocol: protocolVersion, version }))

  const sendFrames = (frames: ReadonlyArray<Frame>) =>
    Effect.suspend(() =>
      send(
        joinOutput(frames)
          .map((frame) => writer.lines(frame))
          .join("")
      )
    )
  const frames = request._tag === "Success" ? serve(request.success, noInput) : Stream.fail(request.failure)
  yield* frames.pipe(
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
  Effect.provide(stderrLogger("helper", "Warn")),
  Effect.catch((error) => Effect.as(Effect.ignore(writeText(2, `helper: ${error.message}\n`)), 1))
)

const thisNode = () => process.env[helperVariables.node] ?? ""
const refuse = (detail: string) => new HelperRefused({ node: thisNode(), detail })

const readRequest = Effect.try(() => readFileSync(requestPath, "utf8")).pipe(
  Effect.flatMap(decodeRequest),
  Effect.mapError((error) => refuse(`its request is not readable: ${error.message}`)),
  Effect.result
)

const serve = (request: HelperRequest, input: HelperInput): Stream.Stream<Frame, RemoteError, DockerEngine> =>
  Stream.unwrap(
    Effect.gen(function* () {
      if (request.protocol !== protocolVersion) {
        return yield* refuse(`it speaks protocol ${protocolVersion}, the request is in protocol ${request.protocol}`)
      }
      if (request.node !== thisNode()) return yield* refuse(`the target's node is ${request.node}`)
      const image = Effect.succeed(yield* onlyHelper(request).pipe(Effect.mapError(nameRemapping)))
      const killer = ProcessKiller.layer({ image, owner: request.owner })
      const { work } = request
      switch (work._tag) {
        case "Exec": {
          const { container, runId } = work.spec
          const answers = input.signals.pipe(
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
          return Stream.unwrap(Executor.use(({ exec }) => Effect.succeed(exec(work.spec, input)))).pipe(
            Stream.provide(Executor.layer.pipe(Layer.provide(Guard.none), Layer.provide(killer))),
            limitOutput(work.maxOutput),
            Stream.merge(answers, { haltStrategy: "left" })
          )
        }
        case "End":
          return Stream.fromEffect(ProcessKiller.use(({ end }) => end(work.run))).pipe(
            Stream.map((ending): Frame => ({ _tag: "Ended", ending })),
            Stream.provide(killer)
          )
      }
    })
  )

/**
 * Whoever is not the first helper of its run must not run the command. Swarm starts another one for one that was killed,
 * which is the moment to end what that one left running, and may start a second one beside the first (swarmkit 2327).
 * The containers of all of them stay on the node until the service is removed. Neither must one that was told to end before
 * it could listen. Gives the ID of this helper's image.
 */
const onlyHelper = Effect.fnUntraced(function* ({ node, owner, work }: HelperRequest) {
  const engine = yield* DockerEngine
  const helpers = yield* engine.listContainers(
    { label: [`${labelKeys.run}=${owner.runId}`, `${labelKeys.role}=helper`] },
    { all: true }
  )
  const task = process.env[helperVariables.task]
  const own = helpers.find(({ Labels }) => Labels["com.docker.swarm.task.id"] === task)
  if (own === undefined) return yield* new HelperRefused({ node, detail: "it does not find its own container" })
  const others = helpers.filter((helper) => helper.Id !== own.Id)
  const [other] = others
  if (other === undefined) {
    // Process 1 of a container does not get a signal that came before it listened for it: only the engine knows of it.
    const signals = yield* engine.pastEvents({ container: [own.Id], event: ["kill"] })
    if (signals.length > 0) return yield* new HelperRefused({ node, detail: "it was told to end before it began" })
    return own.ImageID
  }
  const before = `another helper of the same run is or was here (container ${other.Id.slice(0, 12)})`
  if (work._tag !== "Exec" || !(yield* wereKilled(engine, others))) {
    return yield* new HelperRefused({ node, detail: before })
  }
  const { container, grace, runId, signal } = work.spec
  const ending = yield* ProcessKiller.use(({ end }) => end({ runId, container, signal, grace })).pipe(
    Effect.provide(ProcessKiller.layer({ image: Effect.succeed(own.ImageID), owner }))
  )
  return yield* new HelperRefused({ node, detail: `${before} and was killed; ${describeEnding(ending)}` })
})

/** None of them runs, and not all of them ended by themselves: a helper exits with 0, whatever became of its command. */
const wereKilled = Effect.fnUntraced(function* (
  engine: DockerEngine["Service"],
  helpers: ReadonlyArray<ContainerSummary>
) {
  const states = yield* Effect.forEach(helpers, ({ Id }) =>
    Effect.map(engine.inspectContainer(Id), ({ State }) => State)
  )
  return states.every(({ Running }) => !Running) && states.some(({ ExitCode }) => ExitCode !== 0)
})

/** The log of a helper takes disk space on its node, so it has an end. */
const limitOutput =
  (limit: number) =>
  <R>(events: Stream.Stream<ExecEvent, RemoteError, R>): Stream.Stream<ExecEvent, RemoteError, R> => {
    let bytes = 0
    return events.pipe(
      Stream.tap((event) => {
        if (event._tag === "Stdout" || event._tag === "Stderr") bytes += event.data.length
        return bytes > limit
          ? new OutcomeUnknown({
              detail: `it wrote more than ${limit} bytes, which is the limit of this route; it was ended`
            })
          : Effect.void
      })
    )
  }

const joinOutput = (all: ReadonlyArray<Frame>): ReadonlyArray<Frame> => {
  const frames: Array<Frame> = []
  let pieces: Array<Uint8Array> = []
  let size = 0
  let kind: "Stdout" | "Stderr" = "Stdout"
  const flush = () => {
    if (size > 0) frames.push({ _tag: kind, data: Buffer.concat(pieces) })
    pieces = []
    size = 0
  }
  for (const frame of all) {
    if (frame._tag !== "Stdout" && frame._tag !== "Stderr") {
      flush()
      frames.push(frame)
      continue
    }
    if (frame._tag !== kind || size > joined) flush()
    kind = frame._tag
    pieces.push(frame.data)
    size += frame.data.length
  }
  flush()
  return frames
}
