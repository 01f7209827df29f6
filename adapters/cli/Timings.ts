/** `--timings`: where the time of a run went, stage by stage, as a small waterfall. */

/** The stages of a run, in their order; one that was not reached is not shown. */
export const stages = {
  start: "start up",
  find: "find the task",
  reach: "reach it, and start the command",
  run: "the command",
  clean: "clean up"
} as const
export type Stage = keyof typeof stages

/** A stage, in milliseconds since the program was started. */
export interface Lap {
  readonly stage: Stage
  readonly from: number
  readonly to: number
}

/** Takes the times. Not an Effect: it only looks at the clock. */
export class Timings {
  private readonly laps: Array<Lap> = []
  private current: { readonly stage: Stage; readonly from: number } | undefined
  private readonly now: () => number

  /** `now`: milliseconds since the program was started, which is when the first stage began. */
  constructor(now: () => number) {
    this.now = now
    this.current = { stage: "start", from: 0 }
  }

  /** This stage begins, and so the one before it has ended. */
  enter(stage: Stage): void {
    if (this.current?.stage === stage) return
    const from = this.now()
    this.close(from)
    this.current = { stage, from }
  }

  /** The last stage has ended; gives all of them. */
  end(): ReadonlyArray<Lap> {
    this.close(this.now())
    return this.laps
  }

  private close(to: number): void {
    if (this.current !== undefined) this.laps.push({ ...this.current, to })
    this.current = undefined
  }
}

/** Characters of the longest bar. */
const barWidth = 30

const seconds = (millis: number): string => `${(millis / 1000).toFixed(2)} s`

/** A line for each stage: its name, when it began, how long it took, and both as a bar. */
export const waterfall = (laps: ReadonlyArray<Lap>): ReadonlyArray<string> => {
  const whole = Math.max(1, ...laps.map(({ to }) => to))
  const column = (millis: number) => Math.round((millis / whole) * barWidth)
  const names = laps.map(({ stage }) => stages[stage])
  const width = Math.max(...names.map((name) => name.length))
  return laps.map(({ from, to }, at) => {
    const bar = " ".repeat(column(from)) + "█".repeat(Math.max(1, column(to) - column(from)))
    return `${(names[at] ?? "").padEnd(width)} ${seconds(from).padStart(9)} ${seconds(to - from).padStart(9)}  ${bar}`
  })
}
