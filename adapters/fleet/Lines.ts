/**
 * The live output of many tasks: whole lines, each with the name of its task in front.
 *
 *     web.2@node-1  │ a line of its stdout
 *     web.10@node-3 ┃ a line of its stderr
 *     web.10@node-3 ↳ the next part of a long line
 *
 * Bytes stay unchanged. A task's stdout goes to stdout, and its stderr to stderr.
 */
import type { FleetEvent } from "../../src/fleet/FleetEvent.ts"
import type { ResolvedTask } from "../../src/target/ResolvedTask.ts"
import { labelOf, ownLine, type Piece } from "./Piece.ts"
import { wholeLength } from "./Utf8.ts"

/** The most bytes of a line that are held back. Longer lines are written in parts. */
export const maxPart = 64 * 1024

/** The format of the lines. */
export interface LinesOptions {
  /** Colors the names, and the bar of stderr in red. */
  readonly colour: boolean
  /** The reader is a terminal: after a carriage return, as in progress bars, the name is written again. */
  readonly terminal: boolean
}

/** Formats the output of one fan-out. Not an Effect: it only keeps the state between events. */
export class Lines {
  private readonly options: LinesOptions
  private readonly positions = new Map<string, number>()
  private readonly open = new Map<string, Open>()
  private width = 0

  constructor(options: LinesOptions) {
    this.options = options
  }

  /** Returns what to write for an event. The end of a task ends its last line. */
  push(event: FleetEvent): ReadonlyArray<Piece> {
    switch (event._tag) {
      case "Chosen":
        for (const [position, task] of event.tasks.entries()) {
          this.positions.set(task.id, position)
          this.width = Math.max(this.width, labelOf(task).length)
        }
        return []
      case "Stdout":
        return piece("stdout", this.openOf(event.task).stdout.push(event.data))
      case "Stderr":
        return piece("stderr", this.openOf(event.task).stderr.push(event.data))
      case "Replaced": {
        this.positions.set(event.by.id, this.positions.get(event.task.id) ?? 0)
        return [
          ...this.finish(event.task.id),
          ownLine(
            "stderr",
            `${labelOf(event.task)} ended; its log continues with ${labelOf(event.by)} (${event.by.id})`
          )
        ]
      }
      case "Ended":
        return this.finish(event.task.id)
      case "Finished":
        // A followed log ends under the name of its first task.
        return [...this.open.keys()].flatMap((id) => this.finish(id))
      case "Started":
        return []
    }
  }

  /** Ends the last lines of a task. */
  private finish(id: string): ReadonlyArray<Piece> {
    const open = this.open.get(id)
    this.open.delete(id)
    return open === undefined
      ? []
      : [...piece("stdout", open.stdout.finish()), ...piece("stderr", open.stderr.finish())]
  }

  private openOf(task: ResolvedTask): Open {
    const known = this.open.get(task.id)
    if (known !== undefined) return known
    const label = labelOf(task).padEnd(this.width)
    const { colour, terminal } = this.options
    const own = palette[(this.positions.get(task.id) ?? 0) % palette.length] ?? ""
    // Resets colors that a command left.
    const prefix = (bar: string, barColour: string) =>
      Buffer.from(colour ? `\u001b[0;${own}m${label} \u001b[0;${barColour}m${bar}\u001b[0m ` : `${label} ${bar} `)
    const open: Open = {
      stdout: new OpenLine(prefix("│", own), prefix("↳", own), terminal),
      stderr: new OpenLine(prefix("┃", red), prefix("↳", red), terminal)
    }
    this.open.set(task.id, open)
    return open
  }
}

/** The unfinished lines of a task. */
interface Open {
  readonly stdout: OpenLine
  readonly stderr: OpenLine
}

/** Cyan, yellow, green, magenta, blue; then bright. */
const palette = ["36", "33", "32", "35", "34", "96", "93", "92", "95", "94"]
/** The color of stderr. No task has it. */
const red = "31"

const piece = (stream: Piece["stream"], parts: ReadonlyArray<Uint8Array>): ReadonlyArray<Piece> =>
  parts.length === 0 ? [] : [{ stream, bytes: Buffer.concat(parts) }]

const lineFeed = 10
const carriageReturn = 13
const newline = Uint8Array.of(lineFeed)

/** The unfinished line of one stream. */
class OpenLine {
  private readonly first: Uint8Array
  private readonly next: Uint8Array
  private readonly terminal: boolean
  private held: Array<Uint8Array> = []
  private size = 0
  /** Whether a part of the line was written. */
  private continued = false

  /** `first` precedes a line, `next` precedes its further parts. */
  constructor(first: Uint8Array, next: Uint8Array, terminal: boolean) {
    this.first = first
    this.next = next
    this.terminal = terminal
  }

  /** Adds bytes. Returns the lines that are complete. */
  push(data: Uint8Array): ReadonlyArray<Uint8Array> {
    const out: Array<Uint8Array> = []
    let from = 0
    for (let end = data.indexOf(lineFeed); end >= 0; end = data.indexOf(lineFeed, from)) {
      this.hold(data.subarray(from, end), out)
      this.end(out)
      from = end + 1
    }
    // A copy: a part of a chunk would keep all of it.
    if (from < data.length) this.hold(new Uint8Array(data.subarray(from)), out)
    return out
  }

  /** Returns the last line if it has no end. */
  finish(): ReadonlyArray<Uint8Array> {
    const out: Array<Uint8Array> = []
    if (this.size > 0) this.end(out)
    return out
  }

  private hold(bytes: Uint8Array, out: Array<Uint8Array>): void {
    let rest = bytes
    while (this.size + rest.length > maxPart) {
      const room = maxPart - this.size
      const part = Buffer.concat([...this.held, rest.subarray(0, room)])
      const whole = wholeLength(part)
      this.write(part.subarray(0, whole), out)
      this.continued = true
      this.held = [new Uint8Array(part.subarray(whole))]
      this.size = part.length - whole
      rest = rest.subarray(room)
    }
    this.held.push(rest)
    this.size += rest.length
  }

  private end(out: Array<Uint8Array>): void {
    this.write(Buffer.concat(this.held), out)
    this.held = []
    this.size = 0
    this.continued = false
  }

  private write(part: Uint8Array, out: Array<Uint8Array>): void {
    const prefix = this.continued ? this.next : this.first
    out.push(prefix)
    let from = 0
    if (this.terminal) {
      for (let at = part.indexOf(carriageReturn); at >= 0; at = part.indexOf(carriageReturn, at + 1)) {
        // Consecutive carriage returns and the one of CR LF do not overwrite the name.
        if (at + 1 === part.length || part[at + 1] === carriageReturn) continue
        out.push(part.subarray(from, at + 1), prefix)
        from = at + 1
      }
    }
    out.push(part.subarray(from), newline)
  }
}
