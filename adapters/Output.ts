/** Writes to a file descriptor without ever blocking the event loop, which `process.stdout` does on a full pipe. */

import { write } from "node:fs"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { printableLines } from "./Printable.ts"

/** Nobody reads any more: the reader of the pipe went away (`… | head -1`). */
export class OutputClosed extends Schema.TaggedError<OutputClosed>()("OutputClosed", {}) {
  override get message(): string {
    return "nobody reads the output"
  }
}

/** The output can't be written: disk full, … */
export class OutputFailed extends Schema.TaggedError<OutputFailed>()("OutputFailed", { cause: Schema.Defect() }) {
  override get message(): string {
    return `can't write the output: ${this.cause instanceof Error ? this.cause.message : String(this.cause)}`
  }
}

/**
 * Writes all of the bytes of a command or an archive, as they are. While the reader is slow only this effect waits: everything else goes on, above all the
 * reading from the engine, which cuts off what is not read in time.
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

/** The first characters of a text are in this colour (a parameter of SGR: `31`). */
export interface Colour {
  readonly code: string
  readonly length: number
}

/** Writes lines of our own, see `Printable.ts`: nothing in them is obeyed by a terminal, wherever it comes from. */
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

/** Writes lines of our own to stderr. If stderr is closed, they are dropped. */
export const say = (text: string): Effect.Effect<void> => Effect.ignore(writeText(2, text))

/** The same for those who can't wait. A raw terminal takes a line feed literally: its lines end with `\r\n`. */
export const sayNow = (text: string, lineEnd: "\n" | "\r\n" = "\n"): void => {
  process.stderr.write(printableLines(text).replaceAll("\n", lineEnd))
}

/** Where a {@link LastLine} and what follows it are written: the terminal that stderr is. For nothing else: it takes everything. */
export const stderrScreen = {
  write: (text: string) => void process.stderr.write(text),
  now: Date.now
}
