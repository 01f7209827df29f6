/** The programs that the current test has run, for the account of a failed test. */
import type { ChildProcess } from "node:child_process"
import type { Readable } from "node:stream"

/** A program that a test has started. */
export interface ProgramRun {
  readonly argv: ReadonlyArray<string>
  /** Unix milliseconds. */
  readonly started: number
  /** Its end. `undefined` while it runs. */
  end: { readonly how: string; readonly milliseconds: number } | undefined
  readonly stdout: Excerpt
  readonly stderr: Excerpt
}

/** The start and the end of a text of any length. */
class Excerpt {
  private head = ""
  private tail = ""
  private length = 0

  add(chunk: Buffer): void {
    const text = chunk.toString()
    this.length += text.length
    const room = Excerpt.headLength - this.head.length
    this.head += text.slice(0, room)
    this.tail = (this.tail + text.slice(room > 0 ? room : 0)).slice(-Excerpt.tailLength)
  }

  toString(): string {
    const omitted = this.length - this.head.length - this.tail.length
    return omitted > 0 ? `${this.head}\n[${omitted} characters left out]\n${this.tail}` : this.head + this.tail
  }

  /** The number of kept characters. */
  private static readonly headLength = 2_000
  private static readonly tailLength = 8_000
}

/** The number of kept programs, the last ones. */
const limit = 200

const runs: Array<ProgramRun> = []

/** Forgets all programs at the start of a test. */
export const forgetPrograms = (): void => void runs.splice(0)

/** The programs of the current test, in the order of their start. */
export const programsSoFar = (): ReadonlyArray<ProgramRun> => runs

const collect = (from: Readable | null): Excerpt => {
  const excerpt = new Excerpt()
  from?.on("data", (chunk: Buffer) => excerpt.add(chunk))
  return excerpt
}

/** Records a program and the output on its pipes. */
export const watchProgram = (argv: ReadonlyArray<string>, child: ChildProcess): void => {
  const started = Date.now()
  const run: ProgramRun = {
    argv,
    started,
    end: undefined,
    stdout: collect(child.stdout),
    stderr: collect(child.stderr)
  }
  runs.push(run)
  if (runs.length > limit) runs.shift()
  child.on("error", ({ message }) => {
    run.end ??= { how: message, milliseconds: Date.now() - started }
  })
  child.on("close", (code, signal) => {
    run.end ??= { how: signal ?? `exit code ${code}`, milliseconds: Date.now() - started }
  })
}

const indented = (name: string, text: string): ReadonlyArray<string> =>
  text === ""
    ? []
    : [
        `  ${name}:`,
        ...text
          .replace(/\n$/, "")
          .split("\n")
          .map((line) => `    ${line}`)
      ]

/** Describes a program for the account. */
export const describeProgram = ({ argv, end, started, stderr, stdout }: ProgramRun): string => {
  const how = end === undefined ? "still runs" : `${end.how} after ${end.milliseconds} ms`
  return [
    `${new Date(started).toISOString()} ${argv.join(" ")}`,
    `  ${how}`,
    ...indented("stdout", stdout.toString()),
    ...indented("stderr", stderr.toString())
  ].join("\n")
}
