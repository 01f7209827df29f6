/** Where warnings and traces go: stdout belongs to the command, or to Skopos. */
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as References from "effect/References"
import type { Channel } from "./Channel.ts"

/** Warnings, and every step if `debug`, as lines of a channel. */
export const logTo = (channel: Channel, debug: boolean): Layer.Layer<never> =>
  Layer.mergeAll(
    Logger.layer([
      Logger.make(({ message }) =>
        channel.lineNow((Array.isArray(message) ? message : [message]).map(String).join(" "))
      )
    ]),
    Layer.succeed(References.MinimumLogLevel, debug ? "Debug" : "Warn")
  )
