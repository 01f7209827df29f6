/** `--timings`: how long each stage of a run took, as a waterfall. */
import type { Stage } from "../../src/Stage.ts"

/** The names of the stages, and of the time before and after them. */
const names = {
  Boot: "start task-exec",
  Find: "find the task",
  Wait: "wait for the task",
  OneOff: "start the one-off task",
  Network: "create the network",
  Relay: "start the relay",
  Pull: "pull the image",
  Place: "place the helper",
  Prepare: "prepare the helper",
  Launch: "start the helper",
  Connect: "connect",
  Start: "start the command",
  Run: "run the command",
  Clean: "clean up"
} as const satisfies Record<Stage["_tag"] | "Boot" | "Clean", string>

/** A stage with its start and end, in milliseconds since the program started. */
export interface StageTiming {
  readonly stage: keyof typeof names
  readonly from: number
  readonly to: number
}

/** Measures the stages of a run. */
export class Timings {
  private readonly timings: Array<StageTiming> = []
  private readonly open = new Map<Stage, number>()
  private readonly now: () => number
  /** The end of the stage that ended last. */
  private last: number

  /** `now` returns milliseconds since the program started. */
  constructor(now: () => number) {
    this.now = now
    this.last = now()
    this.timings.push({ stage: "Boot", from: 0, to: this.last })
  }

  /** Records the start of a stage. */
  readonly began = (stage: Stage): void => {
    this.open.set(stage, this.now())
  }

  /** Records the end of a stage. Ignores a stage without a start. */
  readonly ended = (stage: Stage): void => {
    const from = this.open.get(stage)
    if (from === undefined) return
    this.open.delete(stage)
    this.last = this.now()
    this.timings.push({ stage: stage._tag, from, to: this.last })
  }

  /** Returns the stages in the order of their start. A run that created objects ends with the stage `Clean`. */
  end(): ReadonlyArray<StageTiming> {
    const isMade = this.timings.some(({ stage }) => stage !== "Boot" && stage !== "Find" && stage !== "Wait")
    if (isMade) this.timings.push({ stage: "Clean", from: this.last, to: this.now() })
    return this.timings.sort((a, b) => a.from - b.from)
  }
}

/** Characters of the longest bar. */
const barWidth = 30

const seconds = (millis: number): string => `${(millis / 1000).toFixed(2)} s`

/** Returns one line per stage: its name, its start, its duration, and both as a bar. */
export const waterfall = (timings: ReadonlyArray<StageTiming>): ReadonlyArray<string> => {
  const whole = Math.max(1, ...timings.map(({ to }) => to))
  const column = (millis: number) => Math.round((millis / whole) * barWidth)
  const width = Math.max(...timings.map(({ stage }) => names[stage].length))
  return timings.map(({ from, stage, to }) => {
    const bar = " ".repeat(column(from)) + "█".repeat(Math.max(1, column(to) - column(from)))
    return `${names[stage].padEnd(width)} ${seconds(from).padStart(9)} ${seconds(to - from).padStart(9)}  ${bar}`
  })
}

/** Returns the stages as data, in seconds with millisecond precision. */
export const timingsData = (timings: ReadonlyArray<StageTiming>) => {
  const round = (millis: number) => Math.round(millis) / 1000
  return timings.map(({ from, stage, to }) => ({ stage: names[stage], start: round(from), seconds: round(to - from) }))
}
