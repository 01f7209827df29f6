/**
 * The output of many tasks when all is over: what is the same is shown once, for all tasks that it is the same for.
 *
 *     ---- web.[1-4,6] (5 tasks): exit code 0
 *     their stdout
 *     ---- web.5: exit code 1, no output
 *
 * Only one copy of an output is kept, and at most so much of it; outputs are the same when all of their bytes are.
 */
import { createHash, type Hash } from "node:crypto"
import type { FleetEvent, TaskResult } from "../../src/fleet/FleetEvent.ts"
import { byName, foldNames } from "../../src/fleet/TaskSet.ts"
import { humanSize } from "../LayOut.ts"
import { describeResult } from "./Outcome.ts"
import { ownLine, type Piece } from "./Piece.ts"

/** How much is kept. What is more is counted. */
export interface GatherLimits {
  /** Bytes of each of a task's streams. */
  readonly stream: number
  /** Bytes of all that is kept: one copy of each output, and those of the tasks that run. */
  readonly total: number
}

/** What is kept unless something else is asked for. */
export const defaultLimits: GatherLimits = { stream: 1024 * 1024, total: 256 * 1024 * 1024 }

/** Tasks with the same end and the same output. */
export interface Group {
  /** Names of the tasks, in order. */
  readonly tasks: ReadonlyArray<string>
  /** That of one of them; the others' say the same. */
  readonly result: TaskResult
  readonly stdout: Kept
  readonly stderr: Kept
}

/** What was kept of a stream. */
export interface Kept {
  readonly bytes: Uint8Array
  /** Bytes after these. */
  readonly more: number
}

/** One for each fan-out. Not an Effect: it only keeps the state between events. */
export class Gather {
  private readonly limits: GatherLimits
  /** Bytes that are kept now. */
  private readonly memory = { used: 0 }
  private readonly running = new Map<string, Outputs>()
  private readonly byKey = new Map<string, Group & { readonly tasks: Array<string> }>()

  constructor(limits: GatherLimits = defaultLimits) {
    this.limits = limits
  }

  /** To be called with each event. */
  push(event: FleetEvent): void {
    switch (event._tag) {
      case "Stdout":
        this.outputsOf(event.task.id).stdout.add(event.data)
        return
      case "Stderr":
        this.outputsOf(event.task.id).stderr.add(event.data)
        return
      case "Ended": {
        const { stderr, stdout } = this.outputsOf(event.task.id)
        this.running.delete(event.task.id)
        const key = JSON.stringify([event.result._tag, describeResult(event.result), stdout.hash, stderr.hash])
        const group = this.byKey.get(key)
        if (group !== undefined) {
          group.tasks.push(event.task.name)
          stdout.drop()
          stderr.drop()
        } else {
          const { result, task } = event
          this.byKey.set(key, { tasks: [task.name], result, stdout: stdout.kept, stderr: stderr.kept })
        }
        return
      }
    }
  }

  /** Of the tasks that have ended, the largest first; of equally large ones, that of the first task by name. */
  get groups(): ReadonlyArray<Group> {
    const groups = [...this.byKey.values()].map((group) => ({ ...group, tasks: group.tasks.toSorted(byName) }))
    return groups.sort(
      ({ tasks: self }, { tasks: that }) => that.length - self.length || byName(self[0] ?? "", that[0] ?? "")
    )
  }

  private outputsOf(id: string): Outputs {
    const known = this.running.get(id)
    if (known !== undefined) return known
    const outputs = { stdout: new Output(this.limits, this.memory), stderr: new Output(this.limits, this.memory) }
    this.running.set(id, outputs)
    return outputs
  }
}

interface Outputs {
  readonly stdout: Output
  readonly stderr: Output
}

/** One stream of a task that runs. */
class Output {
  private readonly limits: GatherLimits
  private readonly memory: { used: number }
  private readonly chunks: Array<Uint8Array> = []
  private size = 0
  private total = 0
  private digest: Hash | undefined

  constructor(limits: GatherLimits, memory: { used: number }) {
    this.limits = limits
    this.memory = memory
  }

  add(data: Uint8Array): void {
    this.digest ??= createHash("sha256")
    this.digest.update(data)
    // What is kept has no gaps.
    const whole = this.size === this.total
    this.total += data.length
    const room = Math.min(this.limits.stream - this.size, this.limits.total - this.memory.used)
    if (!whole || room <= 0 || data.length === 0) return
    // A copy: a part of a chunk would keep all of it.
    const part = new Uint8Array(data.subarray(0, room))
    this.chunks.push(part)
    this.size += part.length
    this.memory.used += part.length
  }

  /** It is not kept any more. */
  drop(): void {
    this.memory.used -= this.size
  }

  /** Of all the bytes; to be asked for once. Empty for no bytes. */
  get hash(): string {
    return this.total === 0 ? "" : (this.digest?.digest("base64") ?? "")
  }

  get kept(): Kept {
    return { bytes: Buffer.concat(this.chunks), more: this.total - this.size }
  }
}

/** `web.[1-4,6] (5 tasks)`. */
export const nameGroup = ({ tasks }: Group): string =>
  tasks.length === 1 ? foldNames(tasks) : `${foldNames(tasks)} (${tasks.length} tasks)`

/** A group as it is shown: a heading with its stdout, and its stderr with a heading of its own. */
export const showGroup = (group: Group): ReadonlyArray<Piece> => [
  heading("stdout", `${nameGroup(group)}: ${describeResult(group.result)}${silence(group)}`),
  ...showKept("stdout", group.stdout),
  ...showStderr(group)
]

/** Its stderr alone; nothing if there is none. */
export const showStderr = (group: Group): ReadonlyArray<Piece> => {
  const pieces = showKept("stderr", group.stderr)
  return pieces.length === 0 ? [] : [heading("stderr", `${nameGroup(group)}: stderr`), ...pieces]
}

/** The line above what follows. */
export const heading = (stream: Piece["stream"], text: string): Piece => ownLine(stream, `---- ${text}`)

/** Said of a command that ran and wrote nothing. */
const silence = ({ result, stderr, stdout }: Group): string =>
  result._tag === "Exited" && sizeOf(stdout) + sizeOf(stderr) === 0 ? ", no output" : ""

const sizeOf = ({ bytes, more }: Kept): number => bytes.length + more

const lineFeed = 10

/** With an end of line at its end, and with a line that says how much was not kept. */
const showKept = (stream: Piece["stream"], { bytes, more }: Kept): ReadonlyArray<Piece> => {
  const end = bytes.length === 0 || bytes.at(-1) === lineFeed ? "" : "\n"
  const rest = more === 0 ? "" : `… ${humanSize(more)} more\n`
  return [bytes, Buffer.from(end + rest)].flatMap((part) => (part.length === 0 ? [] : [{ stream, bytes: part }]))
}
