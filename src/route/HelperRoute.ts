/**
 * Route `helper`: the command runs in a temporary service's container on the task's node, and its frames come back over
 * the service's log.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { SwarmFailure } from "../engine/EngineErrors.ts"
import type { ExecEvent } from "../executor/ExecEvent.ts"
import type { EndRun, ExecSpec } from "../executor/ExecSpec.ts"
import { Ending, OutcomeUnknown, unconfirmed } from "../executor/ExecutorErrors.ts"
import { makeOwnership, type Ownership } from "../Labels.ts"
import { type Frame, protocolVersion } from "../wire/Frame.ts"
import { receive } from "../wire/LogsTransport.ts"
import { checkHello } from "./Conversation.ts"
import {
  checkNode,
  type HelperOptions,
  type HelperPlace,
  type HelperStartError,
  isHostNetworkRefused,
  openHelper,
  pullPatience
} from "./Helper.ts"
import { HelperFailed, HelperRefused } from "./HelperErrors.ts"
import type { HelperWork } from "./HelperRequest.ts"
import { startWith } from "./HelperStages.ts"
import { decodeRemoteError } from "./Remote.ts"
import { bridgeNetwork, hostNetwork, type Network } from "./TemporaryService.ts"

/** Bytes of output that a helper may write to its log: it takes disk space on the task's node until it is removed. */
const logsLimit = 4 * 1024 ** 3

/**
 * The events of a command that runs by way of a helper. `stdin` is read to its end first and travels in the request, as the
 * log leads one way only. When the stream's scope is closed, the command has ended, and the helper and its secret are gone.
 * Fails with `RequestTooLarge` where command, environment and input do not fit into a Swarm secret.
 */
export const execByHelper = (
  place: HelperPlace,
  spec: ExecSpec,
  owner: Ownership,
  stdin: Stream.Stream<Uint8Array> = Stream.empty
) => {
  const attempt = (network: Network, work: HelperWork) => execOn(network, place, spec, owner, work)
  return Stream.unwrap(
    Effect.gen(function* () {
      const input = spec.stdin && !spec.detach ? { input: Buffer.concat(yield* Stream.runCollect(stdin)) } : {}
      const work: HelperWork = { _tag: "Exec", spec, ...input, maxOutput: logsLimit }
      // A helper that the node refused has run nothing.
      return attempt(hostNetwork, work).pipe(Stream.catchIf(isHostNetworkRefused, () => attempt(bridgeNetwork, work)))
    })
  )
}

const execOn = (network: Network, place: HelperPlace, spec: ExecSpec, owner: Ownership, work: HelperWork) =>
  Stream.unwrap(
    Effect.gen(function* () {
      yield* checkNode(place.task, place.node)
      const helper = yield* serve(makeOptions(network, place, owner, work))
      yield* Effect.addFinalizer(() => leave(place, spec, helper))
      const started = yield* startWith(helper.running)
      return helper.frames.pipe(
        Stream.mapEffect((frame): Effect.Effect<ReadonlyArray<ExecEvent>, HelperRefused> => {
          if (frame._tag === "Hello") return Effect.succeed([])
          if (frame._tag === "Ended" || frame._tag === "Signalled") return unasked(place, frame)
          if (frame._tag === "Started" || frame._tag === "Detached") started()
          return Effect.succeed([frame])
        }),
        Stream.flattenIterable
      )
    })
  )

/** A run, and at least one. */
type Runs = readonly [EndRun, ...ReadonlyArray<EndRun>]

/**
 * Ends a run on its node by a helper of its own: the signal, the grace period, KILL. Never fails: what could not be done
 * is in the result.
 */
export const endByHelper = (place: HelperPlace, run: EndRun) =>
  Effect.map(endManyByHelper(place, [run]), ([ending]) => ending ?? unconfirmed("the helper did not report on it"))

/** The same for several runs on one node, by one helper: what became of each, in their order. */
export const endManyByHelper = (place: HelperPlace, runs: Runs) =>
  Effect.gen(function* () {
    const owner = yield* makeOwnership(
      place.placementTimeout + pullPatience + Math.max(...runs.map(({ grace }) => grace))
    )
    const last = yield* Stream.runLast(endFrames(place, owner, runs))
    const frame = yield* Effect.fromOption(last, () => new OutcomeUnknown({ detail: "no frame came" }))
    return frame._tag === "Ended" ? yield* decodeEndings(frame.endings) : yield* unasked(place, frame)
  }).pipe(Effect.catch((error) => Effect.succeed(runs.map(() => unconfirmed(error.message)))))

/**
 * What a helper says that ends several runs: `Hello`, then `Ended` (see {@link decodeEndings}). It is gone, with its secret,
 * when the stream's scope is closed.
 */
export const endFrames = (place: HelperPlace, owner: Ownership, runs: Runs) => {
  const attempt = (network: Network) => endOn(network, place, owner, runs)
  return attempt(hostNetwork).pipe(Stream.catchIf(isHostNetworkRefused, () => attempt(bridgeNetwork)))
}

const endOn = (network: Network, place: HelperPlace, owner: Ownership, runs: Runs) =>
  Stream.unwrap(Effect.map(serve(makeOptions(network, place, owner, { _tag: "End", runs })), ({ frames }) => frames))

/** What became of each run, from an `Ended`. */
export const decodeEndings = Schema.decodeUnknownEffect(Schema.Array(Ending))

const makeOptions = (network: Network, place: HelperPlace, owner: Ownership, work: HelperWork): HelperOptions => ({
  ...place,
  network,
  request: { protocol: protocolVersion, node: place.node.id, owner, work }
})

const unasked = ({ node }: HelperPlace, frame: Frame) =>
  Effect.fail(new HelperRefused({ node: node.hostname, detail: `it answers with ${frame._tag}, which was not asked` }))

const managerTrouble: ReadonlySet<string> = new Set([
  "EngineUnreachable",
  "EngineError",
  "UnexpectedReply",
  "NotSwarmManager"
])

type Served = Effect.Success<ReturnType<typeof serve>>

/**
 * Whoever leaves before the end leaves a command behind. Swarm takes over two seconds to stop a task, so a helper that is
 * at work is overtaken by another one, which ends the command; it then ends by itself.
 */
const leave = Effect.fnUntraced(function* (place: HelperPlace, spec: ExecSpec, helper: Served) {
  if (helper.isComplete()) return
  if (!helper.isAtWork()) return yield* helper.stop
  const { container, grace, runId, signal } = spec
  const ending = yield* endByHelper(place, { runId, container, signal, grace })
  if (ending._tag !== "Killed") yield* helper.stop
})

/** A helper's frames, `Failed` ones as errors. They end only after an end record; everything else is an error. */
const serve = Effect.fnUntraced(function* (options: HelperOptions) {
  const node = options.node.hostname
  const helper = yield* openHelper(options)
  let lastWords = ""
  const ended = helper.running.pipe(
    Effect.andThen(helper.ended),
    Effect.andThen((words) =>
      Effect.sync(() => {
        lastWords = words
      })
    )
  )
  const received = yield* receive({ service: helper.service, running: helper.running, ended })

  let greeted = false
  const check = (frame: Frame) =>
    Effect.gen(function* () {
      if (frame._tag === "Hello") {
        greeted = true
        yield* checkHello(node, frame)
        return frame
      }
      if (frame._tag !== "Failed") return frame
      return yield* Effect.flatMap(decodeRemoteError(frame.error), Effect.fail)
    })

  // Only a helper that failed and never said a word is known not to have run anything.
  const missingEnd = Effect.gen(function* () {
    if (received.isComplete()) return
    const detail = [lastWords, received.lastWords()].filter((text) => text !== "").join("; ")
    if (!greeted && lastWords.startsWith("failed")) {
      return yield* new HelperFailed({ node, image: options.image, detail })
    }
    return yield* new OutcomeUnknown({ detail: `the helper on node ${node} went away without a report (${detail})` })
  })
  // A manager that stays away says nothing about the command, which may go on without it.
  const withoutManager = <E extends HelperStartError | SwarmFailure>(error: E) =>
    greeted && managerTrouble.has(error._tag)
      ? new OutcomeUnknown({ detail: `${error.message}; the command had not ended on node ${node} by then` })
      : error
  const frames = received.frames.pipe(Stream.mapError(withoutManager), Stream.mapEffect(check))
  return {
    frames: Stream.concat(frames, Stream.fromEffectDrain(missingEnd)),
    isComplete: received.isComplete,
    isAtWork: () => greeted,
    running: helper.running,
    stop: helper.stop
  }
})
