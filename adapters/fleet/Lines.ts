/**
 * The output of many tasks as it comes: whole lines, each with the name of its task in front.
 *
 *     web.2@node-1  │ a line of its stdout
 *     web.10@node-3 ┃ a line of its stderr
 *     web.10@node-3 ↳ the next part of a line that is too long to wait for
 *
 * Bytes are passed on as they are; a task's stdout goes to stdout and its stderr to stderr.
 */
import type { FleetEvent } from "../../src/fleet/FleetEvent.ts"
import type { ResolvedTask } from "../../src/target/ResolvedTask.ts"
import { labelOf } from "./Label.ts"
import type { Piece } from "./Piece.ts"
import { wholeLength } from "./Utf8.ts"

/** Bytes of a line that are waited for; what is longer is passed on in parts. */
export const maxPart = 64 * 1024

/** How the lines look. */
export interface LinesOptions {
  /** Names in colours, and the bar red for stderr. */
  readonly colour: boolean
  /** A terminal reads them: what goes back to the beginning of a line, as progress bars do, does not wipe out its name. */
  readonly terminal: boolean
}

/** One for each fan-out. Not an Effect: it only keeps the state between events. */
export class Lines {
  private readonly options: LinesOptions
  private readonly places = new Map<string, number>()
  private readonly open = new Map<string, Open>()
  private width = 0

  constructor(options: LinesOptions) {
    this.options = options
  }

  /** What is to be written now. A line that a task has not ended is ended when the task does. */
  push(event: FleetEvent): ReadonlyArray<Piece> {
    switch (event._tag) {
      case "Chosen":
        for (const [place, task] of event.tasks.entries()) {
          this.places.set(task.id, place)
          this.width = Math.max(this.width, labelOf(task).length)
        }
        return []
      case "Stdout":
        return piece("stdout", this.openOf(event.task).stdout.push(event.data))
      case "Stderr":
        return piece("stderr", this.openOf(event.task).stderr.push(event.data))
      case "Ended": {
        const open = this.open.get(event.task.id)
        this.open.delete(event.task.id)
        return open === undefined
          ? []
          : [...piece("stdout", open.stdout.finish()), ...piece("stderr", open.stderr.finish())]
      }
      case "Started":
      case "Finished":
        return []
    }
  }

  private openOf(task: ResolvedTask): Open {
    const known = this.open.get(task.id)
    if (known !== undefined) return known
    const label = labelOf(task).padEnd(this.width)
    const { colour, terminal } = this.options
    const own = palette[(this.places.get(task.id) ?? 0) % palette.length] ?? ""
    // A command may have left colours of its own: the reset comes first.
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

/** The lines of a task that have not ended. */
interface Open {
  readonly stdout: OpenLine
  readonly stderr: OpenLine
}

/** Cyan, yellow, green, magenta, blue; then bright. */
const palette = ["36", "33", "32", "35", "34", "96", "93", "92", "95", "94"]
/** Of what is on stderr, and of no task. */
const red = "31"

const piece = (stream: Piece["stream"], parts: ReadonlyArray<Uint8Array>): ReadonlyArray<Piece> =>
  parts.length === 0 ? [] : [{ stream, bytes: Buffer.concat(parts) }]

const lineFeed = 10
const carriageReturn = 13
const newline = Uint8Array.of(lineFeed)

/** The line of one stream that has not ended. */
class OpenLine {
  private readonly first: Uint8Array
  private readonly next: Uint8Array
  private readonly terminal: boolean
  private held: Array<Uint8Array> = []
  private size = 0
  /** Whether a part of it was passed on. */
  private continued = false

  /** `first` is put in front of a line, `next` in front of what continues it. */
  constructor(first: Uint8Array, next: Uint8Array, terminal: boolean) {
    this.first = first
    this.next = next
    this.terminal = terminal
  }

  /** The lines that became complete. */
  push(data: Uint8Array): ReadonlyArray<Uint8Array> {
    const out: Array<Uint8Array> = []
    let from = 0
    for (let end = data.indexOf(lineFeed); end >= 0; end = data.indexOf(lineFeed, from)) {
      this.hold(data.subarray(from, end), out)
      this.end(out)
      from = end + 1
    }
    // A copy: what is left of a chunk would keep all of it.
    if (from < data.length) this.hold(new Uint8Array(data.subarray(from)), out)
    return out
  }

  /** The last line, which has no end. */
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
        // Nothing is written over the name by several of them, nor by the one of a CR LF.
        if (at + 1 === part.length || part[at + 1] === carriageReturn) continue
        out.push(part.subarray(from, at + 1), prefix)
        from = at + 1
      }
    }
    out.push(part.subarray(from), newline)
  }
}
