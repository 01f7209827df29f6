/** How it ended for a task, in words. */
import type { TaskResult } from "../../src/fleet/FleetEvent.ts"

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

/** A text that may have several lines, on one. */
const oneLine = (text: string): string => text.trim().replace(/\s*[\r\n]\s*/g, " ")
