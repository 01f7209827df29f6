/** `--record FILE`: the output of a session as an asciicast v2 (https://docs.asciinema.org/manual/asciicast/v2/), never its input. */
import { createWriteStream, type WriteStream } from "node:fs"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { TerminalSize } from "../../src/executor/ExecSpec.ts"
import { type LocalFailed, localFailed } from "../command/LocalFailed.ts"
import { defaultSize } from "../terminal/Terminal.ts"

/** A recording. Output does not wait for the file. */
export interface Recording {
  readonly output: (stream: "stdout" | "stderr", data: Uint8Array) => void
  readonly resized: (size: TerminalSize) => void
}

/** Records nothing. */
export const noRecording: Recording = { output: () => undefined, resized: () => undefined }

/** What is to be recorded. */
export interface RecordingOptions {
  readonly file: string
  /** The size of the terminal. Without a terminal, each line feed is recorded as carriage return and line feed. */
  readonly size: TerminalSize | undefined
  readonly command: string
  readonly term: string | undefined
}

/** The most bytes that may wait to be written. A recording that exceeds this stops, with a warning. */
const mostWaiting = 64 * 1024 * 1024
/** How long closing the file may take. */
const closeTimeout = "10 seconds"

/** Opens a recording; it is complete when the scope has closed. Replaces an existing file. Fails if the file can't be opened. */
export const openRecording = Effect.fnUntraced(function* ({
  command,
  file,
  size,
  term
}: RecordingOptions): Effect.fn.Return<Recording, LocalFailed, Scope.Scope> {
  let broken: string | undefined
  const stream = yield* Effect.acquireRelease(open(file), (opened) =>
    close(opened).pipe(
      Effect.timeoutOption(closeTimeout),
      Effect.andThen(
        Effect.suspend(() =>
          broken === undefined ? Effect.void : Effect.logWarning(`the recording ${file} is incomplete: ${broken}`)
        )
      )
    )
  )
  stream.on("error", (error) => {
    broken ??= error.message
  })
  const write = (line: unknown) => {
    if (broken !== undefined) return
    if (stream.writableLength > mostWaiting) broken = "the file cannot be written fast enough"
    else stream.write(`${JSON.stringify(line)}\n`)
  }
  const { columns, rows } = size ?? defaultSize
  const env = term === undefined ? {} : { env: { TERM: term } }
  write({ version: 2, width: columns, height: rows, timestamp: Math.floor(Date.now() / 1000), command, ...env })
  const begin = performance.now()
  const time = () => Math.round((performance.now() - begin) * 1000) / 1_000_000
  // A character may be split between two chunks of one stream, with chunks of the other stream between them.
  const decoders = { stdout: new TextDecoder(), stderr: new TextDecoder() }
  return {
    output: (from, data) => {
      const text = decoders[from].decode(data, { stream: true })
      if (text !== "") write([time(), "o", size === undefined ? text.replaceAll("\n", "\r\n") : text])
    },
    resized: (to) => write([time(), "r", `${to.columns}x${to.rows}`])
  }
})

const open = (file: string): Effect.Effect<WriteStream, LocalFailed> =>
  Effect.callback((resume) => {
    // The output may hold secrets.
    const stream = createWriteStream(file, { mode: 0o600 })
    const onError = (error: Error) => resume(Effect.fail(localFailed(file, error)))
    stream.once("error", onError)
    stream.once("open", () => {
      stream.off("error", onError)
      resume(Effect.succeed(stream))
    })
  })

const close = (stream: WriteStream): Effect.Effect<void> =>
  Effect.callback((resume) => {
    if (stream.destroyed) resume(Effect.void)
    else {
      stream.once("close", () => resume(Effect.void))
      stream.end()
    }
  })
