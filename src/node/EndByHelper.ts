/** Kills commands on their node through a helper that does nothing else. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { summaryOf } from "../engine/Hints.ts"
import type { Swarm } from "../engine/Swarm.ts"
import { OutcomeUnknown } from "../executor/ExecutorErrors.ts"
import { KillResult, unconfirmed } from "../executor/KillResult.ts"
import { type HelperPlacement, pullTimeout } from "../helper/Helper.ts"
import { makeOwnership, type Ownership } from "../Labels.ts"
import { unexpectedMessage } from "../protocol/Client.ts"
import type { Runs } from "../protocol/endTogether.ts"
import { type HelperError, openHelperConnection } from "./HelperConnection.ts"

/** Milliseconds within which Swarm must place a second helper after a connection broke. The node may be down. */
export const secondPlacementTimeout = 8000

/**
 * Kills several runs on one node through a helper: sends the signal, waits for the grace period, sends KILL. Returns the kill result of
 * each run, in their order. Never fails: a failure is part of the results.
 */
export const endManyByHelper = (
  placement: HelperPlacement,
  runs: Runs
): Effect.Effect<ReadonlyArray<KillResult>, never, Swarm> =>
  Effect.gen(function* () {
    const owner = yield* makeOwnership(
      placement.placementTimeout + pullTimeout + Math.max(...runs.map(({ grace }) => grace))
    )
    return yield* tryToEnd(placement, owner, runs)
  }).pipe(Effect.catch((error) => Effect.succeed(runs.map(() => unconfirmed(summaryOf(error))))))

/** Kills several runs as {@link endManyByHelper} does, but fails with an error. Calls `onGreeting` with the helper's version. */
export const tryToEnd = Effect.fnUntraced(
  function* (
    placement: HelperPlacement,
    owner: Ownership,
    runs: Runs,
    onGreeting: (version: string) => Effect.Effect<void> = () => Effect.void
  ): Effect.fn.Return<ReadonlyArray<KillResult>, HelperError | Schema.SchemaError, Swarm | Scope.Scope> {
    const work = { _tag: "End", runs } as const
    const connection = yield* openHelperConnection({ placement, owner, work, helperTunnel: undefined, onGreeting })
    const last = yield* Stream.runLast(connection.line(0).incoming)
    const frame = yield* Effect.fromOption(last, () => new OutcomeUnknown({ detail: "the helper sent no kill result" }))
    return frame._tag === "Ended"
      ? yield* decodeKillResults(frame.killResults)
      : yield* unexpectedMessage(placement.node.hostname, frame)
  },
  Effect.scoped,
  Effect.catchTag(["SchemaError", "TunnelLost"], ({ message }) => Effect.fail(new OutcomeUnknown({ detail: message })))
)

const decodeKillResults = Schema.decodeUnknownEffect(Schema.Array(KillResult))
