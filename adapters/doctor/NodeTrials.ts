/** Test helpers of doctor: one reports through its log, one over the overlay network. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Result from "effect/Result"
import { Swarm } from "../../src/engine/Swarm.ts"
import { OutcomeUnknown } from "../../src/executor/ExecutorErrors.ts"
import type { KillResult } from "../../src/executor/KillResult.ts"
import { OverlayBlocked } from "../../src/helper/ConnectionErrors.ts"
import type { HelperPlacement } from "../../src/helper/Helper.ts"
import { HelperNotPlaced } from "../../src/helper/HelperErrors.ts"
import type { TunnelNetwork } from "../../src/helper/TunnelNetwork.ts"
import { makeOwnership, makeRunId } from "../../src/Labels.ts"
import { tryToEnd } from "../../src/node/EndByHelper.ts"
import { openHelperConnection } from "../../src/node/HelperConnection.ts"
import { prepareTunnel } from "../../src/node/HelperTunnel.ts"
import type { RunError } from "../../src/Run.ts"
import type { Stamp } from "./ClockOffset.ts"
import { type TaskWatch, watchTasks } from "./TaskWatch.ts"

/** The result of a helper that reports through its log. */
export type Trial = Stamped & (Greeted | Silent)

interface Stamped {
  /** Stamps of the node's clock in the helper's task. */
  readonly stamps: ReadonlyArray<Stamp>
}

/** The helper started and sent its version. */
export interface Greeted {
  readonly _tag: "Greeted"
  readonly version: string
  readonly after: number
  /** The result of its kill request. */
  readonly result: Result.Result<KillResult, RunError>
}

/** The helper sent no valid greeting. */
export interface Silent {
  readonly _tag: "Silent"
  readonly error: RunError
}

/** Runs a helper that kills a run that does not exist. This takes every step of a helper, including the engine's socket and the kill. */
export const tryHelper = Effect.fn("Doctor.tryHelper")(function* (
  placement: HelperPlacement,
  timeout: number
): Effect.fn.Return<Trial, never, Swarm> {
  const watch = watchTasks(yield* Swarm)
  const owner = yield* makeOwnership(timeout)
  const start = yield* Clock.currentTimeMillis
  let greeting: Pick<Greeted, "after" | "version"> | undefined
  const onGreeting = (version: string) =>
    Effect.map(Clock.currentTimeMillis, (now) => {
      greeting = { version, after: now - start }
    })
  const none = { runId: makeRunId(), container: makeRunId(), signal: "SIGTERM", grace: 0 } as const
  const result = yield* tryToEnd(placement, owner, [none], onGreeting).pipe(
    Effect.flatMap(([killResult]) =>
      killResult === undefined
        ? Effect.fail(new OutcomeUnknown({ detail: "the helper's report is not readable" }))
        : Effect.succeed(killResult)
    ),
    Effect.timeoutOrElse({ duration: timeout, orElse: () => Effect.fail(tooSlow(placement, timeout, watch)) }),
    Effect.result,
    Effect.provideService(Swarm, watch.swarm)
  )
  const stamps = watch.stamps()
  if (greeting !== undefined) return { _tag: "Greeted", ...greeting, result, stamps }
  const error =
    result._tag === "Failure" ? result.failure : new OutcomeUnknown({ detail: "the helper sent no greeting" })
  return { _tag: "Silent", error, stamps }
})

/** The result of connecting to a helper over the overlay network. */
export interface Reached extends Stamped {
  /** Milliseconds until the connection was established. */
  readonly result: Result.Result<number, RunError>
}

/** Connects to a helper as `-i` and `-t` do, and disconnects. */
export const reachHelper = Effect.fn("Doctor.reachHelper")(function* (
  placement: HelperPlacement,
  timeout: number,
  network: TunnelNetwork
): Effect.fn.Return<Reached, never, Swarm> {
  const watch = watchTasks(yield* Swarm)
  const owner = yield* makeOwnership(timeout)
  const start = yield* Clock.currentTimeMillis
  const result = yield* Effect.gen(function* () {
    const helperTunnel = yield* prepareTunnel({ placement, owner, from: "start", commands: 1, shared: network })
    // The helper waits for a command, which never comes.
    const work = { _tag: "Exec", specs: [nothingOf(makeRunId())], begin: [] } as const
    const connection = yield* openHelperConnection({ placement, owner, work, helperTunnel })
    const tunnel = yield* connection.tunnel
    const now = yield* Clock.currentTimeMillis
    yield* tunnel.close
    return now - start
  }).pipe(
    Effect.catchTag("TunnelLost", ({ message }) => Effect.fail(new OutcomeUnknown({ detail: message }))),
    Effect.scoped,
    Effect.timeoutOrElse({
      duration: timeout,
      orElse: () => Effect.fail(isUp(watch) ? blocked(placement, timeout) : tooSlow(placement, timeout, watch))
    }),
    Effect.result,
    Effect.provideService(Swarm, watch.swarm)
  )
  return { result, stamps: watch.stamps() }
})

const nothingOf = (runId: string) =>
  ({
    runId,
    container: runId,
    command: ["true"],
    env: [],
    privileged: false,
    stdin: false,
    detach: false,
    signal: "SIGTERM",
    grace: 0,
    policy: {}
  }) as const

const isUp = (watch: TaskWatch): boolean => watch.task()?.Status.State === "running"

const blocked = ({ node }: HelperPlacement, after: number) =>
  new OverlayBlocked({ node: node.hostname, after, detail: "no response" })

/** The error has Swarm's reason. */
const tooSlow = ({ node }: HelperPlacement, after: number, watch: TaskWatch) => {
  const { Err, Message, State } = watch.task()?.Status ?? { State: "new", Message: "", Err: undefined }
  return new HelperNotPlaced({ node: node.hostname, after, state: State, reason: Err ?? Message })
}
