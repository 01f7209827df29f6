/**
 * The output of many tasks after the last one has ended. Identical outputs are shown once, with the names of their tasks.
 *
 *     ---- web.[1-4,6] (5 tasks): exit code 0
 *     the stdout of these tasks
 *     ---- web.5: exit code 1, no output
 *
 * One copy of each output is kept, up to a limit. Outputs are identical if all of their bytes are.
 */
import { createHash, type Hash } from "node:crypto"
import type { FleetEvent, TaskResult } from "../../src/fleet/FleetEvent.ts"
import { byName, foldNames } from "../../src/fleet/TaskSet.ts"
import { humanSize } from "../LayOut.ts"
import { describeResult } from "./Outcome.ts"
import { ownLine, type Piece } from "./Piece.ts"

/** How many bytes are kept. Further bytes are only counted. */
export interface GatherLimits {
  /** Bytes per stream of a task. */
  readonly stream: number
  /** Bytes in total: one copy of each output, and the outputs of running tasks. */
  readonly total: number
}

/** The default limits. */
export const defaultLimits: GatherLimits = { stream: 1024 * 1024, total: 256 * 1024 * 1024 }

/** Tasks with the same result and the same output. */
export interface Group {
  /** Names of the tasks, sorted. */
  readonly tasks: ReadonlyArray<string>
  /** The result of one of the tasks. The others have the same text. */
  readonly result: TaskResult
  readonly stdout: Kept
  readonly stderr: Kept
}

/** The kept part of a stream. */
export interface Kept {
  readonly bytes: Uint8Array
  /** The number of bytes that were not kept. */
  readonly more: number
}

/** Groups the outputs of one fan-out. Not an Effect: it only keeps the state between events. */
export class Gather {
  private readonly limits: GatherLimits
  /** Bytes that are kept. */
  private readonly memory = { used: 0 }
  private readonly running = new Map<string, Outputs>()
  private readonly byKey = new Map<string, Group & { readonly tasks: Array<string> }>()

  constructor(limits: GatherLimits = defaultLimits) {
    this.limits = limits
  }

  /** Adds an event. */
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

  /** The groups of the tasks that have ended, the largest first. Equally large groups are sorted by their first task. */
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

/** One stream of a running task. */
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

  /** Frees the kept bytes. */
  drop(): void {
    this.memory.used -= this.size
  }

  /** A hash of all bytes, empty for no bytes. Read it once. */
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

/** Formats a group: a heading with its stdout, and a heading with its stderr. */
export const showGroup = (group: Group): ReadonlyArray<Piece> => [
  heading("stdout", `${nameGroup(group)}: ${describeResult(group.result)}${silence(group)}`),
  ...showKept("stdout", group.stdout),
  ...showStderr(group)
]

/** Formats the stderr of a group. Empty if there is none. */
export const showStderr = (group: Group): ReadonlyArray<Piece> => {
  const pieces = showKept("stderr", group.stderr)
  return pieces.length === 0 ? [] : [heading("stderr", `${nameGroup(group)}: stderr`), ...pieces]
}

/** A heading line. */
export const heading = (stream: Piece["stream"], text: string): Piece => ownLine(stream, `---- ${text}`)

/** A note for commands that wrote nothing. */
const silence = ({ result, stderr, stdout }: Group): string =>
  result._tag === "Exited" && sizeOf(stdout) + sizeOf(stderr) === 0 ? ", no output" : ""

const sizeOf = ({ bytes, more }: Kept): number => bytes.length + more

const lineFeed = 10

/** Ends the bytes with a line feed, and adds a line with the number of bytes that were not kept. */
const showKept = (stream: Piece["stream"], { bytes, more }: Kept): ReadonlyArray<Piece> => {
  const end = bytes.length === 0 || bytes.at(-1) === lineFeed ? "" : "\n"
  const rest = more === 0 ? "" : `… ${humanSize(more)} more\n`
  return [bytes, Buffer.from(end + rest)].flatMap((part) => (part.length === 0 ? [] : [{ stream, bytes: part }]))
}
