/** Log lines as the programs here write them: one line each, and never on stdout, which belongs to the command. */
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import type * as LogLevel from "effect/LogLevel"
import * as References from "effect/References"

/** How a program's own lines on stderr are written: `json` is a document for each line. */
export const logFormats = ["text", "json"] as const

/** How a program's own lines on stderr are written. */
export type LogFormat = (typeof logFormats)[number]

/** Is that one of them? */
export const isLogFormat = (text: unknown): text is LogFormat => logFormats.some((format) => format === text)

/** A line, with its end. `json` has `more` in it; text, which is for people, `hint` behind it. */
export type LineOf = (
  level: LogLevel.LogLevel,
  message: string,
  more?: Readonly<Record<string, unknown>>,
  hint?: string
) => string

/** `program: message`, or `{"time":"…","level":"warn","message":"…"}`. */
export const lineOf = (program: string, format: LogFormat, lineEnd: "\n" | "\r\n" = "\n"): LineOf =>
  format === "text"
    ? (_level, message, _more, hint = "") => `${program}: ${message}${hint}${lineEnd}`
    : (level, message, more) => {
        const time = new Date().toISOString()
        return `${JSON.stringify({ time, level: level.toLowerCase(), message, ...more })}${lineEnd}`
      }

/** What is logged from this level on, a line at a time. `write` must not wait: a logger can't. */
export const lineLogger = (
  write: (message: string, level: LogLevel.LogLevel) => void,
  level: LogLevel.LogLevel
): Layer.Layer<never> =>
  Layer.mergeAll(
    Logger.layer([
      Logger.make(({ logLevel, message }) =>
        write((Array.isArray(message) ? message : [message]).map(String).join(" "), logLevel)
      )
    ]),
    Layer.succeed(References.MinimumLogLevel, level)
  )

/** The same as lines on stderr. */
export const stderrLogger = (line: LineOf, level: LogLevel.LogLevel): Layer.Layer<never> =>
  lineLogger((message, of) => {
    process.stderr.write(line(of, message))
  }, level)
