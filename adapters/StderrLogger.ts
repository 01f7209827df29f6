/** Log lines as the programs here write them: one line each, on stderr, as stdout belongs to the command. */
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import type * as LogLevel from "effect/LogLevel"
import * as References from "effect/References"

/** `program: message` on stderr, from this level on. */
export const stderrLogger = (program: string, level: LogLevel.LogLevel) =>
  Layer.mergeAll(
    Logger.layer([
      Logger.make(({ message }) => {
        const text = Array.isArray(message) ? message.map(String).join(" ") : String(message)
        process.stderr.write(`${program}: ${text}\n`)
      })
    ]),
    Layer.succeed(References.MinimumLogLevel, level)
  )
