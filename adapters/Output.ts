/** Writes to a file descriptor without ever blocking the event loop, which `process.stdout` does on a full pipe. */

import { write } from "node:fs"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

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
 * Writes all of the bytes. While the reader is slow only this effect waits: everything else goes on, above all the
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
        // Somebody else made the pipe non-blocking.
        else if (error.code === "EAGAIN") setTimeout(next, 5, at)
        else resume(Effect.fail(error.code === "EPIPE" ? new OutputClosed() : new OutputFailed({ cause: error })))
      })
    }
    next(0)
    return Effect.sync(() => {
      stopped = true
    })
  })

/** Writes a text. */
export const writeText = (fd: number, text: string): Effect.Effect<void, OutputClosed | OutputFailed> =>
  writeAll(fd, new TextEncoder().encode(text))

/** On stderr. If nobody reads even that, there is nobody to tell. */
export const say = (text: string): Effect.Effect<void> => Effect.ignore(writeText(2, text))
