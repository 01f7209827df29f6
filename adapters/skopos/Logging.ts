/** Where warnings and traces go: stdout belongs to the command, or to Skopos. */
import type * as Layer from "effect/Layer"
import { lineLogger } from "../LineLogger.ts"
import { inOneEntry } from "../Printable.ts"
import type { Channel } from "./Channel.ts"

/** Warnings, and every step if `debug`, as lines of a channel. */
export const logTo = (channel: Channel, debug: boolean): Layer.Layer<never> =>
  lineLogger((line) => channel.lineNow(inOneEntry(line)), debug ? "Debug" : "Warn")
