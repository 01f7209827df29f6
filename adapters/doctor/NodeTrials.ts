/** Helpers that do nothing but show that they could: one over its log, one over the overlay network. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import { DockerEngine } from "../../src/engine/DockerEngine.ts"
import { type Ending, OutcomeUnknown } from "../../src/executor/ExecutorErrors.ts"
import { makeOwnership, makeRunId } from "../../src/Labels.ts"
import type { RunError } from "../../src/Run.ts"
import type { HelperPlace } from "../../src/route/Helper.ts"
import { HelperNotPlaced, OverlayBlocked } from "../../src/route/HelperErrors.ts"
import { decodeEndings, endFrames } from "../../src/route/HelperRoute.ts"
import { openHelperTunnel } from "../../src/route/HelperTunnel.ts"
import type { TunnelNetwork } from "../../src/route/TunnelNetwork.ts"
import type { Frame } from "../../src/wire/Frame.ts"
import type { Stamp } from "./ClockOffset.ts"
import { type TaskWatch, watchTasks } from "./TaskWatch.ts"

/** What came of a helper that was asked over its log. */
export type Trial = Stamped & (Greeted | Silent)

interface Stamped {
  /** What its task shows of its node's clock. */
  readonly stamps: ReadonlyArray<Stamp>
}

/** The helper ran and told its version. */
export interface Greeted {
  readonly _tag: "Greeted"
  readonly version: string
  readonly after: number
  /** What it then did. */
  readonly result: Result.Result<Ending, RunError>
}

/** It said nothing that is understood. */
export interface Silent {
  readonly _tag: "Silent"
  readonly error: RunError
}

/** Lets a helper end a run that does not exist. That takes each step of a helper, up to the engine's socket and the kill. */
export const tryHelper = Effect.fn("Doctor.tryHelper")(function* (
  place: HelperPlace,
  timeout: number
): Effect.fn.Return<Trial, never, DockerEngine> {
  const watch = watchTasks(yield* DockerEngine)
  const owner = yield* makeOwnership(timeout)
  const start = yield* Clock.currentTimeMillis
  let greeting: Pick<Greeted, "after" | "version"> | undefined
  const hear = (frame: Frame) =>
    Effect.map(Clock.currentTimeMillis, (now) => {
      if (frame._tag === "Hello") greeting = { version: frame.version, after: now - start }
    })
  const nobody = { runId: makeRunId(), container: makeRunId(), signal: "SIGTERM", grace: 0 } as const
  const result = yield* endFrames(place, owner, [nobody]).pipe(
    Stream.tap(hear),
    Stream.runLast,
    Effect.flatMap(endingIn),
    Effect.timeoutOrElse({ duration: timeout, orElse: () => Effect.fail(tooSlow(place, timeout, watch)) }),
    Effect.result,
    Effect.provideService(DockerEngine, watch.engine)
  )
  const stamps = watch.stamps()
  if (greeting !== undefined) return { _tag: "Greeted", ...greeting, result, stamps }
  const error = result._tag === "Failure" ? result.failure : new OutcomeUnknown({ detail: "the helper did not greet" })
  return { _tag: "Silent", error, stamps }
})

const endingIn = Effect.fnUntraced(function* (last: Option.Option<Frame>) {
  const said = Option.getOrUndefined(last)
  const endings = said?._tag === "Ended" ? said.endings : []
  const [ending] = yield* Effect.orElseSucceed(decodeEndings(endings), () => [])
  return ending ?? (yield* new OutcomeUnknown({ detail: "the helper's report is not readable" }))
})

/** What came of a helper that was to be reached over the overlay network. */
export interface Reached extends Stamped {
  /** Milliseconds from its making until it was. */
  readonly result: Result.Result<number, RunError>
}

/** Reaches a helper as `-i` and `-t` do, and lets it go. */
export const reachHelper = Effect.fn("Doctor.reachHelper")(function* (
  place: HelperPlace,
  timeout: number,
  network: TunnelNetwork
): Effect.fn.Return<Reached, never, DockerEngine> {
  const watch = watchTasks(yield* DockerEngine)
  const owner = yield* makeOwnership(timeout)
  const start = yield* Clock.currentTimeMillis
  const nothing = { _tag: "Copy", container: makeRunId(), policy: {} } as const
  const result = yield* openHelperTunnel(place, owner, nothing, network).pipe(
    Effect.tap(({ tunnel }) => tunnel.close),
    Effect.andThen(Clock.currentTimeMillis),
    Effect.map((now) => now - start),
    Effect.scoped,
    Effect.timeoutOrElse({
      duration: timeout,
      orElse: () => Effect.fail(isUp(watch) ? blocked(place, timeout) : tooSlow(place, timeout, watch))
    }),
    Effect.result,
    Effect.provideService(DockerEngine, watch.engine)
  )
  return { result, stamps: watch.stamps() }
})

const isUp = (watch: TaskWatch): boolean => watch.task()?.Status.State === "running"

const blocked = ({ node }: HelperPlace, after: number) =>
  new OverlayBlocked({ node: node.hostname, after, detail: "no answer" })

/** With Swarm's own words. */
const tooSlow = ({ node }: HelperPlace, after: number, watch: TaskWatch) => {
  const { Err, Message, State } = watch.task()?.Status ?? { State: "new", Message: "", Err: undefined }
  return new HelperNotPlaced({ node: node.hostname, after, state: State, reason: Err ?? Message })
}
