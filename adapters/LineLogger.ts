/** Log lines as the programs here write them: one line each, and never on stdout, which belongs to the command. */
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import type * as LogLevel from "effect/LogLevel"
import * as References from "effect/References"

/** What is logged from this level on, a line at a time. `write` must not wait: a logger can't. */
export const lineLogger = (write: (line: string) => void, level: LogLevel.LogLevel): Layer.Layer<never> =>
  Layer.mergeAll(
    Logger.layer([
      Logger.make(({ message }) => write((Array.isArray(message) ? message : [message]).map(String).join(" ")))
    ]),
    Layer.succeed(References.MinimumLogLevel, level)
  )

/** The same as `program: message` on stderr. */
export const stderrLogger = (
  program: string,
  level: LogLevel.LogLevel,
  lineEnd: "\n" | "\r\n" = "\n"
): Layer.Layer<never> =>
  lineLogger((line) => {
    process.stderr.write(`${program}: ${line}${lineEnd}`)
  }, level)
