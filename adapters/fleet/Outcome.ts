/** How it ended for a task: in words, and as an exit code. */
import type { TaskResult } from "../../src/fleet/FleetEvent.ts"
import { exitCodeOf, exitCodes } from "../command/ExitCode.ts"

const whyNot = {
  failures: "too many others had failed",
  deadline: "time was up",
  interrupted: "interrupted"
} as const

/** `exit code 3`, `not started: time was up`, or what went wrong. */
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

/** The exit code that it counts as: what `task-exec` would have said of that task alone. */
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

/** A text that may have several lines, on one. */
const oneLine = (text: string): string => text.trim().replace(/\s*[\r\n]\s*/g, " ")
