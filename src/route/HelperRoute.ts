/**
 * Route `helper`: the command runs in a temporary service's container on the task's node, and its frames come back over
 * the service's log.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { SwarmFailure } from "../engine/EngineErrors.ts"
import type { ExecEvent } from "../executor/ExecEvent.ts"
import { OutcomeUnknown } from "../executor/ExecutorErrors.ts"
import { type Frame, protocolVersion } from "../wire/Frame.ts"
import { receive } from "../wire/LogsTransport.ts"
import { checkNode, type HelperOptions, type HelperStartError, openHelper } from "./Helper.ts"
import { HelperFailed, HelperRefused } from "./HelperErrors.ts"
import { RemoteError } from "./Remote.ts"

const decodeRemoteError = Schema.decodeUnknownEffect(RemoteError)

/**
 * The events of a command that runs by way of a helper. The helper and its secret are gone when the stream's scope is
 * closed.
 */
export const execByHelper = (options: HelperOptions) => Stream.unwrap(open(options))

const open = Effect.fnUntraced(function* (options: HelperOptions) {
  const node = options.node.hostname
  yield* checkNode(options.task, options.node)
  const helper = yield* openHelper(options)

  const running = yield* Deferred.make<void, HelperStartError | SwarmFailure>()
  yield* Effect.forkScoped(Deferred.into(helper.running, running))
  let lastWords = ""
  const ended = Deferred.await(running).pipe(
    Effect.andThen(helper.ended),
    Effect.andThen((words) =>
      Effect.sync(() => {
        lastWords = words
      })
    )
  )
  const received = yield* receive({ service: helper.service, running: Deferred.await(running), ended })

  // Whoever leaves before the end leaves a command behind, unless the helper ends it.
  yield* Effect.addFinalizer(() => Effect.suspend(() => (received.isComplete() ? Effect.void : helper.stop)))

  let greeted = false
  const toEvent = (frame: Frame) =>
    Effect.gen(function* () {
      switch (frame._tag) {
        case "Hello":
          greeted = true
          if (frame.protocol === protocolVersion) return []
          return yield* new HelperRefused({
            node,
            detail: `it speaks protocol ${frame.protocol} (version ${frame.version}), this task-exec speaks ${protocolVersion}`
          })
        case "Failed":
          return yield* Effect.flatMap(
            decodeRemoteError(frame.error).pipe(
              Effect.mapError(
                (error) => new OutcomeUnknown({ detail: `the helper's report is not readable: ${error.message}` })
              )
            ),
            Effect.fail
          )
        default:
          return [frame] satisfies ReadonlyArray<ExecEvent>
      }
    })

  // Only a helper that failed and never said a word is known not to have run anything.
  const missingEnd = Effect.gen(function* () {
    if (received.isComplete()) return
    const detail = [lastWords, received.noise()].filter((text) => text !== "").join("; ")
    if (!greeted && lastWords.startsWith("failed"))
      return yield* new HelperFailed({ node, image: options.image, detail })
    return yield* new OutcomeUnknown({ detail: `the helper on node ${node} went away without a report (${detail})` })
  })
  return Stream.concat(
    received.frames.pipe(Stream.mapEffect(toEvent), Stream.flattenIterable),
    Stream.fromEffectDrain(missingEnd)
  )
})
