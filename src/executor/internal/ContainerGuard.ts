/** A guard in a container of our own image on the engine's host, whose stdin is a connection from the caller. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { openAttached } from "../../engine/AttachedContainer.ts"
import { Demux } from "../../engine/Demux.ts"
import type { DockerEngine } from "../../engine/DockerEngine.ts"
import { lastingFor, ownershipLabels } from "../../Labels.ts"
import { GuardRequest, guardCommand, release, released, type Watch } from "../GuardProtocol.ts"
import { hostPidContainer, imageHere } from "../HostView.ts"
import type { KillerOptions } from "../ProcessKiller.ts"

/** How long a guard may take to answer. */
const answerPatience = "10 seconds"
/** A run without a limit in time has a guard that is no leftover for a year; it ends with its caller. In milliseconds. */
const unlimited = 365 * 24 * 3600_000
/** What a guard needs to end a run, beside the grace period, in milliseconds. */
const overhead = 15_000

/** The engine has no image of ours to make a guard of. */
export class NoGuardImage extends Schema.TaggedError<NoGuardImage>()("NoGuardImage", {
  host: Schema.String,
  image: Schema.String
}) {
  override get message(): string {
    return `the engine at ${this.host} has no image of task-exec; pull or load ${this.image} there`
  }
}

const encodeRequest = Schema.encodeSync(Schema.fromJsonString(GuardRequest))

/** Done when the guard's process is there: it finds out that its caller is gone even if it has not come up yet. */
export const watchFromContainer = Effect.fnUntraced(function* (
  engine: DockerEngine["Service"],
  { image: reference, owner }: KillerOptions,
  request: GuardRequest
) {
  const named = yield* reference
  const image = yield* imageHere(engine, named)
  // A command must not wait for its guard's image to arrive, maybe from a registry that can't be reached.
  if (image === undefined) return yield* new NoGuardImage({ host: engine.host, image: named })
  const lasting = yield* lastingFor(owner, (request.after ?? unlimited) + request.run.grace + overhead)
  const base = hostPidContainer(image, [guardCommand, encodeRequest(request)], ownershipLabels(lasting, "guard"))
  const connection = yield* openAttached(engine, base)
  // What it says, or that the connection is gone: one of the two comes in any case.
  const answer = yield* Deferred.make<boolean>()
  const demux = new Demux()
  let text = ""
  yield* connection.output.pipe(
    Stream.runForEach((chunk) =>
      Effect.sync(() => {
        for (const { channel, data } of demux.push(chunk)) {
          if (channel === "stdout") text = (text + Buffer.from(data).toString("latin1")).slice(0, 100)
        }
        if (text.includes(released)) Deferred.doneUnsafe(answer, Effect.succeed(true))
      })
    ),
    Effect.ignore,
    Effect.andThen(Deferred.succeed(answer, false)),
    Effect.forkScoped
  )
  const watch: Watch = {
    letGo: connection.write(new TextEncoder().encode(release)).pipe(
      Effect.andThen(Deferred.await(answer)),
      Effect.timeout(answerPatience),
      Effect.orElseSucceed(() => false)
    )
  }
  return watch
})
