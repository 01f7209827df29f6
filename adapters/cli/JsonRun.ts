/** `--output json` of a single command: the lines of a fan-out with one task. */
import type { TaskResult } from "../../src/fleet/FleetEvent.ts"
import type { RunEvent } from "../../src/Run.ts"
import type { ResolvedTask } from "../../src/target/ResolvedTask.ts"
import { type Content, type Failure, JsonLines } from "../fleet/JsonLines.ts"

/** Formats the events of one run. Not an Effect: it only keeps the state between events. */
export class JsonRun {
  private readonly json: JsonLines
  /** The task whose command has not ended. */
  private task: ResolvedTask | undefined

  /** `now`: milliseconds since 1970. Lines have a `time` unless it is `undefined`. */
  constructor(now: (() => number) | undefined, content: Content = "bytes") {
    this.json = new JsonLines(now, content)
  }

  /** Returns the lines for an event. */
  push(event: RunEvent): string {
    if (event._tag === "Resolved") {
      this.task = event.task
      return this.json.push({ _tag: "Chosen", tasks: [event.task] })
    }
    const { task } = this
    if (task === undefined) return ""
    switch (event._tag) {
      case "Started":
        return this.json.push({ _tag: "Started", task })
      case "Stdout":
      case "Stderr":
        return this.json.push({ _tag: event._tag, task, data: event.data })
      case "Exited":
        return this.end(task, { _tag: "Exited", code: event.code })
      case "Detached":
        return this.end(task, { _tag: "Detached" })
    }
  }

  /** Returns the last line: the exit code of the program. */
  finish(exitCode: number): string {
    return this.json.finish(exitCode)
  }

  /** Returns the last lines of a run that failed. */
  fail(exitCode: number, error: Failure): string {
    const { task } = this
    const ended = task === undefined ? "" : this.json.failed(task, error)
    return ended + this.json.finish(exitCode, error)
  }

  private end(task: ResolvedTask, result: TaskResult): string {
    this.task = undefined
    return this.json.push({ _tag: "Ended", task, result })
  }
}
