/** An output of a program: stdout, stderr, or the file that replaces one of them. */

import { closeSync, openSync, writeSync } from "node:fs"
import { resolve } from "node:path"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { reasonOf } from "../../src/engine/Hints.ts"
import { type Colour, type OutputClosed, type OutputFailed, writeAll, writeStderrSync, writeText } from "../Output.ts"
import { printableLines } from "../Printable.ts"

/** The file that replaces an output cannot be opened. */
export class FileNotOpened extends Schema.TaggedError<FileNotOpened>()("FileNotOpened", {
  option: Schema.String,
  file: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    return `cannot open ${this.file} for ${this.option}: ${this.detail}`
  }
}

/** Writes a command's bytes unchanged, and the program's own lines between them. */
export class Channel {
  readonly fd: number
  private atLineStart = true

  constructor(fd: number) {
    this.fd = fd
  }

  /** Writes bytes unchanged. */
  write(data: Uint8Array): Effect.Effect<void, OutputClosed | OutputFailed> {
    if (data.length > 0) this.atLineStart = data.at(-1) === newline
    return writeAll(this.fd, data)
  }

  /** Writes a line of the program's own. It starts a new line if the command's output ended in the middle of one. */
  line(text: string, colour?: Colour): Effect.Effect<void, OutputClosed | OutputFailed> {
    return Effect.suspend(() => writeText(this.fd, this.start(text), colour))
  }

  /** Writes such a line synchronously. */
  lineNow(text: string): void {
    const line = this.start(text)
    if (this.fd === 2) writeStderrSync(line)
    else writeSync(this.fd, printableLines(line))
  }

  private start(text: string): string {
    const start = this.atLineStart ? "" : "\n"
    this.atLineStart = true
    return `${start}${text}\n`
  }
}

const newline = 0x0a

/** The files that replace the outputs; `undefined` keeps the output. */
interface OutputFiles {
  readonly stdout: string | undefined
  readonly stderr: string | undefined
}

/** Opens both outputs. Files are truncated first, and closed with the scope. The same name for both is one file. */
export const openChannels = Effect.fnUntraced(function* ({ stderr, stdout }: OutputFiles) {
  const normal = stdout === undefined ? new Channel(1) : yield* openFile("--stdout", stdout)
  if (stderr === undefined) return { stdout: normal, stderr: new Channel(2) }
  const shared = stdout !== undefined && resolve(stdout) === resolve(stderr)
  return { stdout: normal, stderr: shared ? normal : yield* openFile("--stderr", stderr) }
})

const openFile = (option: string, file: string) =>
  Effect.acquireRelease(
    Effect.try({
      try: () => new Channel(openSync(file, "w")),
      catch: (error) => new FileNotOpened({ option, file, detail: reasonOf(error) })
    }),
    ({ fd }) => Effect.sync(() => closeSync(fd))
  )
