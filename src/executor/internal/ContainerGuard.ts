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
import { begunPrefix, GuardRequest, present, question, release, released, type Watch } from "../GuardProtocol.ts"
import { findImage, hostPidContainer } from "../HostView.ts"
import type { KillerOptions } from "../ProcessKiller.ts"

/** The timeout of a guard's response. */
const responseTimeout = "10 seconds"
/** Milliseconds until the guard of a run without a timeout counts as a leftover: a year. The guard ends with its caller. */
const unlimited = 365 * 24 * 3600_000
/** Milliseconds that a guard needs to kill a run, besides the grace period. */
const overhead = 15_000
/** Milliseconds to wait for an unreachable engine. */
const absence = 3000

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
  // Responses arrive in the order of the requests. When the connection is lost, all open requests get `false`.
  const open: Array<Deferred.Deferred<boolean>> = []
  let isGone = false
  const demux = new Demux()
  let text = ""
  const take = (line: string) => {
    const next = line === present || line === released ? open.shift() : undefined
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
        for (const answer of open.splice(0)) Deferred.doneUnsafe(answer, Effect.succeed(false))
      })
    ),
    Effect.forkScoped
  )
  const say = (words: string) => connection.write(new TextEncoder().encode(words))
  const ask = Effect.fnUntraced(
    function* (words: string) {
      if (isGone) return false
      const answer = yield* Deferred.make<boolean>()
      open.push(answer)
      yield* say(words)
      return yield* Deferred.await(answer)
    },
    Effect.orElseSucceed(() => false),
    Effect.timeoutOrElse({ duration: responseTimeout, orElse: () => Effect.succeed(false) })
  )
  let mustAct = false
  const takeOver = Effect.sync(() => {
    mustAct = true
  })
  // The container is removed after it has killed the command.
  const finish = Effect.andThen(
    Effect.ignore(connection.endInput),
    untilEnded(engine, connection.id, longestGrace + overhead)
  )
  yield* Effect.addFinalizer(() => (mustAct ? finish : Effect.void))
  // Without these words, a guard only waits longer for the first process.
  const begun = (runId: string) => Effect.ignore(say(`${begunPrefix}${runId}\n`))
  const watch: Watch = { begun, confirm: ask(question), takeOver, letGo: ask(release) }
  return watch
})

/**
 * Polls until the container has ended, for at most `atMost` milliseconds. Does not wait for an engine that stays unreachable: nothing
 * removes the container then, so it goes on.
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
  let heard = start
  while (true) {
    const isRunning = yield* runs
    const now = yield* Clock.currentTimeMillis
    if (isRunning !== undefined) heard = now
    if (isRunning === false || now - start > atMost || now - heard > absence) return
    yield* Effect.sleep(100)
  }
})
