/** The status line of a run: the current stage, on the last line of the terminal, until output starts. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { PullAmount } from "../../src/engine/PullProgress.ts"
import type { Stage } from "../../src/Stage.ts"
import { humanSize } from "../LayOut.ts"
import { printable } from "../Printable.ts"
import { LastLine, type Screen } from "../terminal/LastLine.ts"

/** How long a run takes before the status line appears. */
const appearsAfter = "300 millis"
/** Time between two updates. */
const pause = "100 millis"
/** How long a stage takes before its duration is shown, in milliseconds. */
const longStage = 2000

/** Shows the current stage. */
export interface StageLine {
  readonly began: (stage: Stage) => void
  readonly ended: (stage: Stage) => void
  readonly progressed: (stage: Stage, amount: PullAmount) => void
  /** Erases the line. Call it before writing to the terminal; the next update shows the line again. */
  readonly clear: () => void
  /** Erases the line and stops updating it. */
  readonly close: () => void
}

const nothing = () => undefined

/** Reports nothing. */
export const noStageLine: StageLine = {
  began: nothing,
  ended: nothing,
  progressed: nothing,
  clear: nothing,
  close: nothing
}

/** Makes a status line that is erased when its scope closes. `columns` returns the terminal's current width. */
export const makeStageLine = Effect.fnUntraced(function* (
  screen: Screen,
  columns: () => number
): Effect.fn.Return<StageLine, never, Scope.Scope> {
  const open = new Map<Stage, OpenStage>()
  const last = new LastLine(screen.write)
  let isOver = false
  const clear = () => last.clear()
  const draw = () => {
    if (!isOver) last.show(line(open, screen.now(), columns()))
  }
  const close = () => {
    clear()
    isOver = true
  }
  yield* Effect.addFinalizer(() => Effect.sync(close))
  yield* Effect.sleep(pause).pipe(
    Effect.andThen(Effect.sync(draw)),
    Effect.forever,
    Effect.delay(appearsAfter),
    Effect.forkScoped
  )
  return {
    began: (stage) => void open.set(stage, { since: screen.now() }),
    ended: (stage) => void open.delete(stage),
    progressed: (stage, amount) => {
      const since = open.get(stage)?.since
      if (since !== undefined) open.set(stage, { since, amount })
    },
    clear,
    close
  }
})

/** A stage that has not ended. */
export interface OpenStage {
  /** Milliseconds, by the screen's clock. */
  readonly since: number
  readonly amount?: PullAmount
}

/** The order in which stages that run at the same time are shown. */
const order: ReadonlyArray<Stage["_tag"]> = [
  "Run",
  "Start",
  "Pull",
  "Launch",
  "Prepare",
  "Place",
  "Connect",
  "Relay",
  "Network",
  "OneOff",
  "Wait",
  "Find"
]

/** Returns the line for the open stages. It is narrower than the terminal, and empty if no stage is open. */
export const line = (open: ReadonlyMap<Stage, OpenStage>, now: number, columns: number): string => {
  const [first] = [...open].sort(([a], [b]) => order.indexOf(a._tag) - order.indexOf(b._tag))
  if (first === undefined) return ""
  const [stage, { amount, since }] = first
  const after = now - since
  const text = printable(textOf(stage, after >= longStage))
  const size = amount === undefined ? "" : `  ${humanSize(amount.done)} / ${humanSize(amount.total)}`
  const time = after >= longStage ? `${size}  ${Math.floor(after / 1000)} s` : size
  // Some terminals wrap a line that fills the last column.
  const width = Math.max(0, columns - 1)
  return text.slice(0, Math.max(0, width - time.length)) + time.slice(0, width)
}

const textOf = (stage: Stage, isLong: boolean): string => {
  switch (stage._tag) {
    case "Find":
      return `finding ${stage.target}`
    case "Wait":
      return `waiting for ${stage.target}`
    case "OneOff":
      return `starting a task of ${stage.target}${isLong ? " (pulls the image if it is missing)" : ""}`
    case "Network":
      return "creating the tunnel's network"
    case "Relay":
      return "starting the relay"
    case "Pull":
      return "pulling the helper image"
    case "Place":
      return `placing the helper on ${stage.node}`
    case "Prepare":
      // Swarm does not report whether the node pulls the image.
      return `preparing the helper on ${stage.node}${isLong ? " (pulls the image if it is missing)" : ""}`
    case "Launch":
      return `starting the helper on ${stage.node}`
    case "Connect":
      return `connecting to the helper on ${stage.node}`
    case "Start":
      return "starting the command"
    case "Run":
      return "running"
  }
}
