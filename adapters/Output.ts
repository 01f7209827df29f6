/** Writes to a file descriptor without ever blocking the event loop, which `process.stdout` does on a full pipe. */

import { write } from "node:fs"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { reasonOf } from "../src/engine/Hints.ts"
import { printableLines } from "./Printable.ts"

/** The reader of the output closed the pipe (`… | head -1`). */
export class OutputClosed extends Schema.TaggedError<OutputClosed>()("OutputClosed", {}) {
  override get message(): string {
    return "cannot write the output: broken pipe"
  }
}

/** The output cannot be written: disk full, … */
export class OutputFailed extends Schema.TaggedError<OutputFailed>()("OutputFailed", { cause: Schema.Defect() }) {
  override get message(): string {
    return `cannot write the output: ${reasonOf(this.cause)}`
  }
}

/**
 * Writes bytes of a command or an archive, unchanged. If the reader is slow, only this effect waits. task-exec keeps reading from the
 * engine, which closes a connection that is not read in time.
 */
export const writeAll = (fd: number, data: Uint8Array): Effect.Effect<void, OutputClosed | OutputFailed> =>
  Effect.callback((resume) => {
    let stopped = false
    const next = (at: number): void => {
      if (stopped) return
      if (at === data.length) {
        resume(Effect.void)
        return
      }
      write(fd, data, at, data.length - at, null, (error, written) => {
        if (error === null) next(at + written)
        // Another process made the pipe non-blocking.
        else if (error.code === "EAGAIN") setTimeout(next, 5, at)
        else resume(Effect.fail(error.code === "EPIPE" ? new OutputClosed() : new OutputFailed({ cause: error })))
      })
    }
    next(0)
    return Effect.sync(() => {
      stopped = true
    })
  })

/** The color of the first characters of a text (a parameter of SGR: `31`). */
export interface Colour {
  readonly code: string
  readonly length: number
}

/** Writes text of task-exec. Control characters are escaped, see `Printable.ts`. */
export const writeText = (
  fd: number,
  text: string,
  colour?: Colour
): Effect.Effect<void, OutputClosed | OutputFailed> => {
  const lines = printableLines(text)
  const shown =
    colour === undefined
      ? lines
      : `\u001b[${colour.code}m${lines.slice(0, colour.length)}\u001b[0m${lines.slice(colour.length)}`
  return writeAll(fd, new TextEncoder().encode(shown))
}

/** Writes text of task-exec to stderr. If stderr is closed, the text is dropped. */
export const writeStderr = (text: string): Effect.Effect<void> => Effect.ignore(writeText(2, text))

/** Writes text of task-exec to stderr synchronously. Lines end with `\r\n` on a raw terminal, which takes a line feed literally. */
export const writeStderrSync = (text: string, lineEnd: "\n" | "\r\n" = "\n"): void => {
  process.stderr.write(printableLines(text).replaceAll("\n", lineEnd))
}

/** The terminal on stderr, for a {@link LastLine} and its own escape sequences only: nothing is escaped. */
export const stderrScreen = {
  write: (text: string) => void process.stderr.write(text),
  now: Date.now
}
