/** What a caller tells an Executor on another node while its command runs. */
import * as Schema from "effect/Schema"
import { Signal, TerminalSize } from "../executor/ExecSpec.ts"

/** What a caller tells. */
export const Order = Schema.TaggedUnion({
  /** Start the command of this channel: one of many that the helper knows of. */
  Begin: {},
  /** The terminal has this size now. */
  Resize: { size: TerminalSize },
  /**
   * Send the command and everything it started this signal, and KILL after so many milliseconds; answered by a
   * `Signalled` of the same ID.
   */
  SendSignal: { id: Schema.Int, signal: Signal, grace: Schema.Finite }
})

/** What a caller tells. */
export type Order = typeof Order.Type

/** An order as JSON. */
export const encodeOrder = Schema.encodeSync(Schema.fromJsonString(Order))

/** Reads an order. */
export const decodeOrder = Schema.decodeUnknownResult(Schema.fromJsonString(Order))
