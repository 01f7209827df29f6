/** One of the plugin's two outputs: stdout or stderr, or a file in its place. */

import { closeSync, openSync, writeSync } from "node:fs"
import { resolve } from "node:path"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { type Colour, type OutputClosed, type OutputFailed, sayNow, writeAll, writeText } from "../Output.ts"
import { printableLines } from "../Printable.ts"
import type { PluginArgs } from "./PluginArgs.ts"

/** The file that was to take the output can't be written. */
export class FileNotOpened extends Schema.TaggedError<FileNotOpened>()("FileNotOpened", {
  option: Schema.String,
  file: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    return `${this.option} ${this.file}: ${this.detail}`
  }
}

/** Where output goes: the command's bytes as they are, and between them our own lines. */
export class Channel {
  readonly fd: number
  private atLineStart = true

  constructor(fd: number) {
    this.fd = fd
  }

  /** Bytes, as they are. */
  write(data: Uint8Array): Effect.Effect<void, OutputClosed | OutputFailed> {
    if (data.length > 0) this.atLineStart = data.at(-1) === newline
    return writeAll(this.fd, data)
  }

  /** Our own words, on a line of their own even where the command's output broke off in the middle of one. */
  line(text: string, colour?: Colour): Effect.Effect<void, OutputClosed | OutputFailed> {
    return Effect.suspend(() => writeText(this.fd, this.start(text), colour))
  }

  /** The same for whoever can't wait. */
  lineNow(text: string): void {
    const line = this.start(text)
    if (this.fd === 2) sayNow(line)
    else writeSync(this.fd, printableLines(line))
  }

  private start(text: string): string {
    const start = this.atLineStart ? "" : "\n"
    this.atLineStart = true
    return `${start}${text}\n`
  }
}

const newline = 0x0a

/** Opens both outputs; files are emptied first, and closed with the scope. The same name for both is one file. */
export const openChannels = Effect.fnUntraced(function* ({ stderr, stdout }: PluginArgs) {
  const normal = stdout === undefined ? new Channel(1) : yield* openFile("--stdout", stdout)
  if (stderr === undefined) return { stdout: normal, stderr: new Channel(2) }
  const shared = stdout !== undefined && resolve(stdout) === resolve(stderr)
  return { stdout: normal, stderr: shared ? normal : yield* openFile("--stderr", stderr) }
})

const openFile = (option: string, file: string) =>
  Effect.acquireRelease(
    Effect.try({
      try: () => new Channel(openSync(file, "w")),
      catch: (error) =>
        new FileNotOpened({ option, file, detail: error instanceof Error ? error.message : String(error) })
    }),
    ({ fd }) => Effect.sync(() => closeSync(fd))
  )
