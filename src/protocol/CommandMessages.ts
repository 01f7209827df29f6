/**
 * The messages about a running command between a caller and an executor on another node: what the caller sends, and the error that the
 * executor reports if the command has no exit code.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { Signal, TerminalSize } from "../executor/ExecSpec.ts"
import { ExecutorError, OutcomeUnknown } from "../executor/ExecutorErrors.ts"
import { HelperRefused, UsernsRemapped } from "../helper/HelperErrors.ts"

/** A message of the caller while a command runs. */
export const CallerMessage = Schema.TaggedUnion({
  /** Begin the command of this channel. Its spec is in the request. */
  Begin: {},
  /** The size of the terminal has changed. */
  Resize: { size: TerminalSize },
  /**
   * Send this signal to the command and all its child processes, then KILL after the grace period in milliseconds. The response is a
   * `Signalled` with the same ID.
   */
  SendSignal: { id: Schema.Int, signal: Signal, grace: Schema.Finite }
})

/** A message of the caller while a command runs. */
export type CallerMessage = typeof CallerMessage.Type

/** Encodes a message as JSON. */
export const encodeCallerMessage = Schema.encodeSync(Schema.fromJsonString(CallerMessage))

/** Decodes a message. */
export const decodeCallerMessage = Schema.decodeUnknownResult(Schema.fromJsonString(CallerMessage))

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
