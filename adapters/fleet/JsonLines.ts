/**
 * A fan-out for a program: one JSON document per event, each on a line of its own.
 *
 *     {"event":"chosen","tasks":[{"task":"web.2","node":"node-1","id":"k3x8…","service":"web","container":"5f0a…"}]}
 *     {"event":"started","task":"web.2","node":"node-1"}
 *     {"event":"stdout","task":"web.2","node":"node-1","data":"…"}
 *     {"event":"ended","task":"web.2","node":"node-1","result":"exited","exitCode":0}
 *     {"event":"finished","tasks":1,"exitCode":0}
 *
 * Other results are `"detached"`, `"failed"` with `error` (its tag) and `message`, and `"skipped"` with a `reason`. Output
 * has `data` where it is text, and otherwise `dataBase64`; put together, in order, these are all bytes of the stream.
 */
import { isUtf8 } from "node:buffer"
import type { FleetEvent, TaskResult } from "../../src/fleet/FleetEvent.ts"
import type { ResolvedTask } from "../../src/target/ResolvedTask.ts"
import { toJson } from "../Printable.ts"
import { exitCodeOfAll } from "./Summary.ts"
import { wholeLength } from "./Utf8.ts"

/** One for each fan-out. Not an Effect: it only keeps the state between events. */
export class JsonLines {
  private readonly now: (() => number) | undefined
  /** The beginnings of characters that came last on the streams of the tasks that run. */
  private readonly open = new Map<string, Tails>()

  /** `now`: milliseconds since 1970; with it every document has a `time`. */
  constructor(now?: () => number) {
    this.now = now
  }

  /** The lines to be written now, each with its end. None for a part of a character: it comes with its rest. */
  push(event: FleetEvent): string {
    switch (event._tag) {
      case "Chosen":
        return this.line({ event: "chosen", tasks: event.tasks.map(describeTask) })
      case "Started":
        return this.line({ event: "started", ...placeOf(event.task) })
      case "Stdout":
        return this.output("stdout", event.task, event.data)
      case "Stderr":
        return this.output("stderr", event.task, event.data)
      case "Ended": {
        const tails = this.open.get(event.task.id)
        this.open.delete(event.task.id)
        return (
          this.data("stdout", event.task, tails?.stdout ?? nothing) +
          this.data("stderr", event.task, tails?.stderr ?? nothing) +
          this.line({ event: "ended", ...placeOf(event.task), ...describeEnd(event.result) })
        )
      }
      case "Finished": {
        const { results } = event
        return this.line({ event: "finished", tasks: results.length, exitCode: exitCodeOfAll(results) })
      }
    }
  }

  private output(stream: keyof Tails, task: ResolvedTask, data: Uint8Array): string {
    const tails = this.open.get(task.id) ?? { stdout: nothing, stderr: nothing }
    const bytes = tails[stream].length === 0 ? data : Buffer.concat([tails[stream], data])
    const whole = wholeLength(bytes)
    // A copy: a part of a chunk would keep all of it.
    this.open.set(task.id, { ...tails, [stream]: new Uint8Array(bytes.subarray(whole)) })
    return this.data(stream, task, bytes.subarray(0, whole))
  }

  private data(stream: keyof Tails, task: ResolvedTask, bytes: Uint8Array): string {
    if (bytes.length === 0) return ""
    const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
    return this.line({
      event: stream,
      ...placeOf(task),
      ...(isUtf8(buffer) ? { data: buffer.toString() } : { dataBase64: buffer.toString("base64") })
    })
  }

  private line(document: Readonly<Record<string, unknown>>): string {
    const time = this.now === undefined ? {} : { time: new Date(this.now()).toISOString() }
    return `${toJson({ ...time, ...document })}\n`
  }
}

interface Tails {
  readonly stdout: Uint8Array
  readonly stderr: Uint8Array
}

const nothing = new Uint8Array(0)

const placeOf = ({ name, node }: ResolvedTask) => ({ task: name, node: node.hostname })

const describeTask = (task: ResolvedTask) => ({
  ...placeOf(task),
  id: task.id,
  service: task.service.name,
  container: task.container
})

const describeEnd = (result: TaskResult) => {
  switch (result._tag) {
    case "Exited":
      return { result: "exited", exitCode: result.code }
    case "Detached":
      return { result: "detached" }
    case "Failed":
      return { result: "failed", error: result.error._tag, message: result.error.message }
    case "Skipped":
      return { result: "skipped", reason: result.reason }
  }
}
