/** The messages of a caller to an executor on another node while a command runs. */
import * as Schema from "effect/Schema"
import { Signal, TerminalSize } from "../executor/ExecSpec.ts"

/** A message of the caller. */
export const Order = Schema.TaggedUnion({
  /** Start the command of this channel. Its spec is in the request. */
  Begin: {},
  /** The size of the terminal has changed. */
  Resize: { size: TerminalSize },
  /**
   * Send this signal to the command and all its child processes, then KILL after the grace period in milliseconds. The response is a
   * `Signalled` with the same ID.
   */
  SendSignal: { id: Schema.Int, signal: Signal, grace: Schema.Finite }
})

/** A message of the caller. */
export type Order = typeof Order.Type

/** Encodes a message as JSON. */
export const encodeOrder = Schema.encodeSync(Schema.fromJsonString(Order))

/** Decodes a message. */
export const decodeOrder = Schema.decodeUnknownResult(Schema.fromJsonString(Order))
