/** Log messages, one line each. They never go to stdout, which belongs to the command. */
import { appendFileSync } from "node:fs"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as References from "effect/References"
import { writeStderrSync } from "./Output.ts"
import { inOneEntry, toJson } from "./Printable.ts"

/** The formats of task-exec's messages on stderr. `json`: one JSON object per line. */
export const logFormats = ["text", "json"] as const

/** A format of task-exec's messages on stderr. */
export type LogFormat = (typeof logFormats)[number]

/** Whether a text names a format. */
export const isLogFormat = (text: unknown): text is LogFormat => logFormats.some((format) => format === text)

/** Formats a message as a line with its end. JSON contains `more`; text ends with `hint`. */
export type LineOf = (
  level: LogLevel.LogLevel,
  message: string,
  more?: Readonly<Record<string, unknown>>,
  hint?: string
) => string

/** `program: message`, or `{"time":"…","level":"warn","message":"…"}`. */
export const lineOf = (program: string, format: LogFormat): LineOf =>
  format === "text"
    ? (_level, message, _more, hint = "") => `${program}: ${inOneEntry(message)}${hint}\n`
    : (level, message, more) => {
        const time = new Date().toISOString()
        return `${toJson({ time, level: level.toLowerCase(), message, ...more })}\n`
      }

/** Environment variable that names the debug file. */
const debugFileVariable = "TASK_EXEC_DEBUG_FILE"

/** Appends a line to the debug file. Drops the line if the file cannot be written, so that the command runs. */
const appendTo = (file: string) => (message: string, level: LogLevel.LogLevel) => {
  try {
    const time = new Date().toISOString()
    appendFileSync(file, `${time} ${process.pid} ${level.toLowerCase()} ${inOneEntry(message)}\n`, { mode: 0o600 })
  } catch {}
}

/**
 * Logs messages of this level and above, one line each. `write` must not wait: a logger can't.
 *
 * **Details**
 *
 * With `TASK_EXEC_DEBUG_FILE` set, every message, from `Debug` on, is also appended to that file, with the time and the process ID.
 */
export const lineLogger = (
  write: (message: string, level: LogLevel.LogLevel) => void,
  level: LogLevel.LogLevel
): Layer.Layer<never> => {
  const file = process.env[debugFileVariable] ?? ""
  const append = file === "" ? undefined : appendTo(file)
  const isWanted = LogLevel.isGreaterThanOrEqualTo(level)
  const logger = Logger.make(({ logLevel, message }) => {
    const text = (Array.isArray(message) ? message : [message]).map(String).join(" ")
    append?.(text, logLevel)
    if (isWanted(logLevel)) write(text, logLevel)
  })
  const lowest = append === undefined || level === "All" || level === "Trace" ? level : "Debug"
  return Layer.mergeAll(Logger.layer([logger]), Layer.succeed(References.MinimumLogLevel, lowest))
}

/** Logs to stderr. */
export const stderrLogger = (line: LineOf, level: LogLevel.LogLevel): Layer.Layer<never> =>
  lineLogger((message, of) => {
    writeStderrSync(line(of, message))
  }, level)
