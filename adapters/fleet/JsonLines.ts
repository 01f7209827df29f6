/**
 * The events of a fan-out, or of one run, for a program: one JSON object per line.
 *
 *     {"event":"chosen","tasks":[{"task":"web.2","node":"node-1","id":"k3x8…","service":"web","container":"5f0a…"}]}
 *     {"event":"started","task":"web.2","node":"node-1"}
 *     {"event":"stdout","task":"web.2","node":"node-1","data":"…"}
 *     {"event":"ended","task":"web.2","node":"node-1","result":"exited","exitCode":0,"source":"command"}
 *     {"event":"finished","tasks":1,"exitCode":0,"source":"command"}
 *
 * `source` tells whose an exit code is: the command's own, or one that task-exec set. Other results are `"detached"`, `"failed"` with
 * `error` (its tag), `message` and `data` (its fields), and `"skipped"` with a `reason`. Output is `data` if it is UTF-8, and
 * `dataBase64` otherwise. Concatenated in order, they are all bytes of the stream.
 *
 * For a log, there is one object per line. It has the time at which the engine received the line, and the line without its line feed.
 */
import { isUtf8 } from "node:buffer"
import type { FleetEvent, TaskResult } from "../../src/fleet/FleetEvent.ts"
import type { ResolvedTask } from "../../src/target/ResolvedTask.ts"
import { errorData } from "../command/ErrorData.ts"
import { exitCodeOf } from "../command/ExitCode.ts"
import { toJson } from "../Printable.ts"
import { exitCodeOfResult, sourceOf } from "./Outcome.ts"
import { wholeLength } from "./Utf8.ts"

/** An error of a task or of the program. */
export interface Failure {
  readonly _tag: string
  readonly message: string
}

/** What a stream is: bytes, or the lines of a log with their times. */
export type Content = "bytes" | "log"

/** The most bytes of a line of a log. The parts of a longer one are objects of their own. */
const maxLine = 1024 * 1024

/** A time before a line of a log, with nanoseconds (moby, `RFC3339NanoFixed`). */
const stamp = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z $/
const stampLength = 31

const lineFeed = 10

/** Formats the events of one fan-out. Not an Effect: it only keeps the state between events. */
export class JsonLines {
  private readonly now: (() => number) | undefined
  private readonly content: Content
  /** The beginnings of characters that came last on the streams of the tasks that run. */
  private readonly open = new Map<string, Tails & { readonly task: ResolvedTask }>()
  private tasks = 0
  private readonly results: Array<TaskResult> = []

  /** `now`: milliseconds since 1970. With it, every line has a `time`. */
  constructor(now?: () => number, content: Content = "bytes") {
    this.now = now
    this.content = content
  }

  /** Returns the lines for an event. A part of a character waits for its rest. The last line is {@link finish}. */
  push(event: FleetEvent): string {
    switch (event._tag) {
      case "Chosen":
        this.tasks = event.tasks.length
        return this.line({ event: "chosen", tasks: event.tasks.map(describeTask) })
      case "Started":
        return this.line({ event: "started", ...taskAndNode(event.task) })
      case "Stdout":
        return this.output("stdout", event.task, event.data)
      case "Stderr":
        return this.output("stderr", event.task, event.data)
      case "Replaced":
        return (
          this.flush(event.task) +
          this.line({ event: "replaced", ...taskAndNode(event.task), by: describeTask(event.by) })
        )
      case "Ended":
        this.results.push(event.result)
        return this.ended(event.task, describeEnd(event.result))
      case "Finished":
        // A followed log ends under the name of its first task.
        return [...this.open.values()].map(({ task }) => this.flush(task)).join("")
    }
  }

  /** Returns the last line: the program's exit code and its source. `error`: the program failed apart from its tasks. */
  finish(exitCode: number, error?: Failure): string {
    const source = error === undefined ? sourceOf(exitCode, this.results) : "task-exec"
    const why = error === undefined ? {} : describeError(error)
    return this.line({ event: "finished", tasks: this.tasks, exitCode, source, ...why })
  }

  /** Returns the lines for a task that failed. {@link finish} then needs the error. */
  failed(task: ResolvedTask, error: Failure): string {
    return this.ended(task, describeFailed(error))
  }

  private ended(task: ResolvedTask, end: Readonly<Record<string, unknown>>): string {
    return this.flush(task) + this.line({ event: "ended", ...taskAndNode(task), ...end })
  }

  /** Returns the beginnings of characters that came last. */
  private flush(task: ResolvedTask): string {
    const tails = this.open.get(task.id)
    this.open.delete(task.id)
    return this.data("stdout", task, tails?.stdout ?? nothing) + this.data("stderr", task, tails?.stderr ?? nothing)
  }

  private output(stream: keyof Tails, task: ResolvedTask, data: Uint8Array): string {
    const tails = this.open.get(task.id) ?? { task, stdout: nothing, stderr: nothing }
    const bytes = tails[stream].length === 0 ? data : Buffer.concat([tails[stream], data])
    const whole = this.content === "log" ? wholeLines(bytes) : wholeLength(bytes)
    // A copy: a part of a chunk would keep all of it.
    this.open.set(task.id, { ...tails, [stream]: new Uint8Array(bytes.subarray(whole)) })
    return this.data(stream, task, bytes.subarray(0, whole))
  }

  private data(stream: keyof Tails, task: ResolvedTask, bytes: Uint8Array): string {
    if (this.content === "bytes") return this.piece(stream, task, bytes)
    let lines = ""
    for (let from = 0; from < bytes.length; ) {
      const end = bytes.indexOf(lineFeed, from)
      const to = end < 0 ? bytes.length : end
      lines += this.logLine(stream, task, bytes.subarray(from, to))
      from = to + 1
    }
    return lines
  }

  private logLine(stream: keyof Tails, task: ResolvedTask, line: Uint8Array): string {
    const start = Buffer.from(line.subarray(0, stampLength)).toString("latin1")
    if (!stamp.test(start)) return this.piece(stream, task, line, {})
    return this.piece(stream, task, line.subarray(stampLength), { time: start.trimEnd() })
  }

  private piece(stream: keyof Tails, task: ResolvedTask, bytes: Uint8Array, time?: { readonly time?: string }): string {
    if (bytes.length === 0 && time === undefined) return ""
    const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
    const document = {
      event: stream,
      ...taskAndNode(task),
      ...(isUtf8(buffer) ? { data: buffer.toString() } : { dataBase64: buffer.toString("base64") })
    }
    return time === undefined ? this.line(document) : this.line(document, time)
  }

  private line(document: Readonly<Record<string, unknown>>, time: { readonly time?: string } = this.time()): string {
    return `${toJson({ ...time, ...document })}\n`
  }

  private time(): { readonly time?: string } {
    return this.now === undefined ? {} : { time: new Date(this.now()).toISOString() }
  }
}

/** Returns the number of bytes up to the last line feed; all bytes if they are too many for a line. */
const wholeLines = (bytes: Uint8Array): number => {
  const whole = bytes.lastIndexOf(lineFeed) + 1
  return bytes.length - whole > maxLine ? bytes.length : whole
}

interface Tails {
  readonly stdout: Uint8Array
  readonly stderr: Uint8Array
}

const nothing = new Uint8Array(0)

const taskAndNode = ({ name, node }: ResolvedTask) => ({ task: name, node: node.hostname })

/** Describes a task. */
export const describeTask = (task: ResolvedTask) => ({
  ...taskAndNode(task),
  id: task.id,
  service: task.service.name,
  container: task.container
})

const describeError = (error: Failure) => {
  const { _tag, ...data } = errorData(error)
  return { error: error._tag, message: error.message, data }
}

const describeFailed = (error: Failure) => ({
  result: "failed",
  exitCode: exitCodeOf(error),
  source: "task-exec",
  ...describeError(error)
})

const describeEnd = (result: TaskResult) => {
  const exitCode = exitCodeOfResult(result)
  switch (result._tag) {
    case "Exited":
      return { result: "exited", exitCode, source: "command" }
    case "Detached":
      return { result: "detached", exitCode, source: "task-exec" }
    case "Failed":
      return describeFailed(result.error)
    case "Skipped":
      return { result: "skipped", exitCode, source: "task-exec", reason: result.reason }
  }
}
