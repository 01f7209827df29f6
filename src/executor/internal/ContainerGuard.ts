/** A guard in a container of the task-exec image on the engine's host. Its stdin is a connection from the caller. */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { openAttached } from "../../engine/AttachedContainer.ts"
import { Demux } from "../../engine/Demux.ts"
import type { DockerEngine } from "../../engine/DockerEngine.ts"
import { isNotFound } from "../../engine/EngineErrors.ts"
import { imageCommands } from "../../ImageCommands.ts"
import { freshName, lastingFor, ownershipLabels } from "../../Labels.ts"
import { GuardRequest, ping, pong, releasedReply, releaseMessage, startedPrefix, type Watch } from "../GuardProtocol.ts"
import { findImage, hostPidContainer } from "../HostView.ts"
import type { KillerOptions } from "../ProcessKiller.ts"

/** The timeout of a guard's response. */
const responseTimeout = "10 seconds"
/** Milliseconds until the guard of a run without a timeout counts as a leftover: a year. The guard ends with its caller. */
const unlimited = 365 * 24 * 3600_000
/** Milliseconds that a guard needs to kill a run, besides the grace period. */
const overhead = 15_000
/** Milliseconds to wait for an unreachable engine. */
const unreachableTimeout = 3000

/** The engine does not have the task-exec image. */
export class NoGuardImage extends Schema.TaggedError<NoGuardImage>()("NoGuardImage", {
  host: Schema.String,
  image: Schema.String
}) {
  override get message(): string {
    return `the Docker engine at ${this.host} does not have the image ${this.image}`
  }
}

const encodeRequest = Schema.encodeSync(Schema.fromJsonString(GuardRequest))

/** Starts a guard. Completes when its container has started: from then on, the guard notices the end of its caller. */
export const watchFromContainer = Effect.fnUntraced(function* (
  engine: DockerEngine["Service"],
  { image: reference, owner }: KillerOptions,
  request: GuardRequest
) {
  const named = yield* reference
  const image = yield* findImage(engine, named)
  // A command must not wait for a pull of its guard's image, perhaps from an unreachable registry.
  if (image === undefined) return yield* new NoGuardImage({ host: engine.host, image: named })
  const longestGrace = Math.max(...request.runs.map(({ grace }) => grace))
  const lasting = yield* lastingFor(owner, (request.after ?? unlimited) + longestGrace + overhead)
  const base = hostPidContainer(image, [imageCommands.guard, encodeRequest(request)], ownershipLabels(lasting, "guard"))
  const connection = yield* openAttached(engine, freshName("guard"), owner.runId, base)
  // Responses arrive in the order of the requests. When the connection is lost, all pending requests get `false`.
  const pending: Array<Deferred.Deferred<boolean>> = []
  let isGone = false
  const demux = new Demux()
  let text = ""
  const take = (line: string) => {
    const next = line === pong || line === releasedReply ? pending.shift() : undefined
    if (next !== undefined) Deferred.doneUnsafe(next, Effect.succeed(true))
  }
  yield* connection.output.pipe(
    Stream.runForEach((chunk) =>
      Effect.sync(() => {
        for (const { channel, data } of demux.push(chunk)) {
          if (channel === "stdout") text += Buffer.from(data).toString("latin1")
        }
        for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n")) {
          take(text.slice(0, end + 1))
          text = text.slice(end + 1)
        }
      })
    ),
    Effect.ignore,
    Effect.andThen(
      Effect.sync(() => {
        isGone = true
        for (const response of pending.splice(0)) Deferred.doneUnsafe(response, Effect.succeed(false))
      })
    ),
    Effect.forkScoped
  )
  const send = (message: string) => connection.write(new TextEncoder().encode(message))
  const exchange = Effect.fnUntraced(
    function* (message: string) {
      if (isGone) return false
      const response = yield* Deferred.make<boolean>()
      pending.push(response)
      yield* send(message)
      return yield* Deferred.await(response)
    },
    Effect.orElseSucceed(() => false),
    Effect.timeoutOrElse({ duration: responseTimeout, orElse: () => Effect.succeed(false) })
  )
  let mustKill = false
  const killOnClose = Effect.sync(() => {
    mustKill = true
  })
  // The container is removed after it has killed the command.
  const finish = Effect.andThen(
    Effect.ignore(connection.endInput),
    untilEnded(engine, connection.id, longestGrace + overhead)
  )
  yield* Effect.addFinalizer(() => (mustKill ? finish : Effect.void))
  // A guard that misses this message only waits longer for the first process.
  const started = (runId: string) => Effect.ignore(send(`${startedPrefix}${runId}\n`))
  const watch: Watch = { started, confirm: exchange(ping), killOnClose, release: exchange(releaseMessage) }
  return watch
})

/**
 * Polls until the container has ended, for at most `atMost` milliseconds. Does not wait for an engine that stays unreachable: nothing
 * removes the container then, so this continues.
 */
const untilEnded = Effect.fnUntraced(function* (engine: DockerEngine["Service"], container: string, atMost: number) {
  const runs = engine.inspectContainer(container).pipe(
    Effect.map(({ State }) => State.Running),
    // The engine removes the container when it has ended.
    Effect.catchIf(isNotFound, () => Effect.succeed(false)),
    Effect.catchTag("EngineUnreachable", () => Effect.succeed(undefined)),
    Effect.orElseSucceed(() => false)
  )
  const start = yield* Clock.currentTimeMillis
  let lastResponse = start
  while (true) {
    const isRunning = yield* runs
    const now = yield* Clock.currentTimeMillis
    if (isRunning !== undefined) lastResponse = now
    if (isRunning === false || now - start > atMost || now - lastResponse > unreachableTimeout) return
    yield* Effect.sleep(100)
  }
})
