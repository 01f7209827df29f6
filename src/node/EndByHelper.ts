/** Ends commands on their node by a helper of its own. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { Swarm } from "../engine/Swarm.ts"
import { Ending, OutcomeUnknown, unconfirmed } from "../executor/ExecutorErrors.ts"
import { type HelperPlace, pullPatience } from "../helper/Helper.ts"
import { makeOwnership, type Ownership } from "../Labels.ts"
import { unasked } from "../protocol/Client.ts"
import type { Runs } from "../protocol/Endings.ts"
import { type HelperError, openHelperLink } from "./HelperLink.ts"

/** How long another helper may take to be placed when a connection broke, in milliseconds: the node may be gone. */
export const secondHelperPatience = 8000

/**
 * Ends several runs on one node by a helper of its own: the signal, the grace period, KILL. Gives what became of each, in their
 * order. Never fails: what could not be done is in the result.
 */
export const endManyByHelper = (place: HelperPlace, runs: Runs): Effect.Effect<ReadonlyArray<Ending>, never, Swarm> =>
  Effect.gen(function* () {
    const owner = yield* makeOwnership(
      place.placementTimeout + pullPatience + Math.max(...runs.map(({ grace }) => grace))
    )
    return yield* tryToEnd(place, owner, runs)
  }).pipe(Effect.catch((error) => Effect.succeed(runs.map(() => unconfirmed(error.message)))))

/** The same, with what went wrong as an error. `greeted`: is told the helper's version. */
export const tryToEnd = (
  place: HelperPlace,
  owner: Ownership,
  runs: Runs,
  greeted: (version: string) => Effect.Effect<void> = () => Effect.void
): Effect.Effect<ReadonlyArray<Ending>, Exclude<HelperError, { readonly _tag: "TunnelLost" }>, Swarm> =>
  Effect.gen(function* () {
    const work = { _tag: "End", runs } as const
    const link = yield* openHelperLink({ place, owner, work, addition: undefined, greeted })
    const last = yield* Stream.runLast(link.line(0).incoming)
    const frame = yield* Effect.fromOption(last, () => new OutcomeUnknown({ detail: "no frame came" }))
    return frame._tag === "Ended" ? yield* decodeEndings(frame.endings) : yield* unasked(place.node.hostname, frame)
  }).pipe(
    Effect.scoped,
    Effect.catchTag(["SchemaError", "TunnelLost"], ({ message }) =>
      Effect.fail(new OutcomeUnknown({ detail: message }))
    )
  )

const decodeEndings = Schema.decodeUnknownEffect(Schema.Array(Ending))
