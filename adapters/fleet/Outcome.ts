/** The result of a task: in words, and as an exit code. */
import type { TaskResult } from "../../src/fleet/FleetEvent.ts"
import { exitCodeOf, exitCodes } from "../command/ExitCode.ts"

const whyNot = {
  failures: "too many tasks failed",
  deadline: "deadline exceeded",
  interrupted: "interrupted"
} as const

/** `exit code 3`, `not started: deadline exceeded`, or the error's message. */
export const describeResult = (result: TaskResult): string => {
  switch (result._tag) {
    case "Exited":
      return `exit code ${result.code}`
    case "Detached":
      return "started"
    case "Failed":
      return oneLine(result.error.message)
    case "Skipped":
      return `not started: ${whyNot[result.reason]}`
  }
}

/** The exit code that `task-exec` has for this task alone. */
export const exitCodeOfResult = (result: TaskResult): number => {
  switch (result._tag) {
    case "Exited":
      return result.code
    case "Detached":
      return 0
    case "Failed":
      return exitCodeOf(result.error)
    case "Skipped":
      return exitCodes.failed
  }
}

/** Whose an exit code is: the command's own, or one that `task-exec` set. */
export type CodeSource = "command" | "task-exec"

/** Whose the exit code of a fan-out is. The command's only if no task has that code from `task-exec`. */
export const sourceOf = (exitCode: number, results: ReadonlyArray<TaskResult>): CodeSource => {
  const withCode = results.filter((result) => exitCodeOfResult(result) === exitCode)
  return withCode.length > 0 && withCode.every(({ _tag }) => _tag === "Exited") ? "command" : "task-exec"
}

/** Joins the lines of a text. */
const oneLine = (text: string): string => text.trim().replace(/\s*[\r\n]\s*/g, " ")
