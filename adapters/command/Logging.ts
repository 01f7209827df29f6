/** Logs of the commands of `swarm-exec`. They never go to stdout, which belongs to the command or to Skopos. */
import type * as Layer from "effect/Layer"
import { lineLogger } from "../LineLogger.ts"
import { inOneEntry } from "../Printable.ts"
import type { Channel } from "./Channel.ts"

/** Writes warnings as lines of a channel. With `debug`, writes every step too. */
export const logTo = (channel: Channel, debug: boolean): Layer.Layer<never> =>
  lineLogger((line) => channel.lineNow(inOneEntry(line)), debug ? "Debug" : "Warn")
