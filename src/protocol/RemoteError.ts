/** The error that an executor on another node reports if a command has no exit code. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { ExecutorError, OutcomeUnknown } from "../executor/ExecutorErrors.ts"
import { HelperRefused, UsernsRemapped } from "../helper/HelperErrors.ts"

/** The error in a `Failed` frame. */
export const RemoteError = Schema.Union([ExecutorError, HelperRefused, UsernsRemapped])

/** The error in a `Failed` frame. */
export type RemoteError = typeof RemoteError.Type

const decode = Schema.decodeUnknownEffect(RemoteError)

/** Decodes the error in a `Failed` frame. Fails with `OutcomeUnknown` if it is not readable. */
export const decodeRemoteError = (error: unknown): Effect.Effect<RemoteError, OutcomeUnknown> =>
  Effect.mapError(
    decode(error),
    ({ message }) => new OutcomeUnknown({ detail: `the helper's report is invalid: ${message}` })
  )
