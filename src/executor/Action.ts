/** The actions that an executor performs in a container instead of running a command. */
import * as Schema from "effect/Schema"

/** Read the container's log. */
export const Logs = Schema.TaggedStruct("Logs", {
  /** Whether to continue with new lines until the container ends. */
  follow: Schema.Boolean,
  /** The most lines from the end of the log; default: all lines. */
  tail: Schema.optionalKey(Schema.Int),
  /** Lines from this time on: `SECONDS.NANOSECONDS` since 1970. */
  since: Schema.optionalKey(Schema.String),
  /** Lines up to this time. */
  until: Schema.optionalKey(Schema.String),
  /** Whether a time (RFC 3339, nanoseconds, UTC) and a space precede each line. */
  timestamps: Schema.Boolean
})

/** Read the container's log. */
export type Logs = typeof Logs.Type

/** Send a signal to the container's main process. `signal`: a name such as `SIGHUP`. */
export const SendSignal = Schema.TaggedStruct("Signal", { signal: Schema.NonEmptyString })

/** Send a signal to the container's main process. */
export type SendSignal = typeof SendSignal.Type

/** An action. */
export const Action = Schema.Union([Logs, SendSignal])

/** An action. */
export type Action = typeof Action.Type

/** Returns the command line that stands for an action in policies and audit records: `logs`, `signal SIGHUP`. */
export const wordsOfAction = (action: Action): readonly [string, ...ReadonlyArray<string>] =>
  action._tag === "Logs" ? ["logs"] : ["signal", action.signal]
