/** The JSON object that a plugin action gets. */

import { isatty } from "node:tty"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

/** The input is invalid. The message never has its text, which may hold secrets. */
export class InvalidInput extends Schema.TaggedError<InvalidInput>()("InvalidInput", { detail: Schema.String }) {
  override get message(): string {
    return `Failed to parse input data for plugin swarm-exec: ${this.detail}`
  }
}

/** An input: its text and its value. */
export interface PluginInput {
  readonly text: string
  readonly value: Readonly<Record<string, unknown>>
}

/** The most bytes of input. Skopos sends some kilobytes. */
export const inputLimit = 16 * 1024 * 1024

/**
 * Reads the input from the command line, or from stdin up to its end. An empty input is `{}`.
 *
 * Fails at once if stdin is a terminal: a user who types `swarm-exec inst_exec` needs to know what is missing.
 */
export const readInput = Effect.fnUntraced(function* (
  json: string | undefined
): Effect.fn.Return<PluginInput, InvalidInput> {
  if (json !== undefined) return yield* parseInput(json)
  if (isatty(0)) {
    return yield* new InvalidInput({
      detail: "expected a JSON object on stdin or after the action. See 'swarm-exec --help'."
    })
  }
  const bytes = yield* readStdin
  const text = yield* Effect.try({
    try: () => new TextDecoder("utf-8", { fatal: true }).decode(bytes),
    catch: () => new InvalidInput({ detail: "not UTF-8" })
  })
  return yield* parseInput(text)
})

/**
 * Reads and drops stdin, so that the caller can write its input. Stops waiting after 2 seconds.
 */
export const ignoreInput: Effect.Effect<void> = Effect.suspend(() => (isatty(0) ? Effect.void : readStdin)).pipe(
  Effect.timeoutOption("2 seconds"),
  Effect.ignore
)

const isObject = Schema.is(Schema.Record(Schema.String, Schema.Unknown))

/** Reads a JSON object; blank text is `{}`. */
export const parseInput = Effect.fnUntraced(function* (text: string): Effect.fn.Return<PluginInput, InvalidInput> {
  if (text.trim() === "") return { text: "{}", value: {} }
  const value: unknown = yield* Effect.try({
    try: () => JSON.parse(text),
    catch: (error) => new InvalidInput({ detail: withoutExcerpt(error) })
  })
  if (!isObject(value) || Array.isArray(value)) {
    return yield* new InvalidInput({ detail: "expected a JSON object" })
  }
  return { text, value }
})

/** Returns V8's message about invalid JSON, on one line and without its excerpt of the text. */
export const withoutExcerpt = (error: unknown): string => {
  const text = error instanceof Error ? error.message : String(error)
  return text.replace(/, (?:\.\.\.)?".*"(?:\.\.\.)? is not valid JSON$/s, "").replace(/\s+/g, " ")
}

/** Everything up to the end of stdin. */
const readStdin: Effect.Effect<Buffer, InvalidInput> = Effect.callback((resume) => {
  const { stdin } = process
  const chunks: Array<Buffer> = []
  let size = 0
  const fail = (detail: string) => resume(Effect.fail(new InvalidInput({ detail })))
  const onData = (chunk: Buffer) => {
    chunks.push(chunk)
    size += chunk.length
    if (size > inputLimit) {
      // Closes the pipe, so that the writer does not wait.
      stdin.destroy()
      fail(`larger than ${inputLimit / 1024 / 1024} MiB`)
    }
  }
  const onEnd = () => resume(Effect.succeed(Buffer.concat(chunks)))
  const onError = (error: Error) => fail(`cannot read stdin: ${error.message}`)
  stdin.on("data", onData).once("end", onEnd).once("error", onError)
  return Effect.sync(() => {
    stdin.off("data", onData).off("end", onEnd).off("error", onError).pause()
  })
})
