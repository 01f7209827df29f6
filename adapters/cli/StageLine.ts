/** What a run does at the moment, on the last line of the terminal that stderr is, until the command has something to say. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { PullAmount } from "../../src/engine/PullProgress.ts"
import type { Stage } from "../../src/Stage.ts"
import { humanSize } from "../LayOut.ts"
import { printable } from "../Printable.ts"
import { LastLine, type Screen } from "../terminal/LastLine.ts"

/** How long a run may take without a word of it. */
const patience = "300 millis"
/** Time between two looks. */
const pause = "100 millis"
/** From then on it says how long the stage takes, in milliseconds. */
const longStage = 2000

/** Tells the stage. */
export interface StageLine {
  readonly began: (stage: Stage) => void
  readonly ended: (stage: Stage) => void
  readonly progressed: (stage: Stage, amount: PullAmount) => void
  /** To be called before anything else is written to the terminal. The line comes back by itself. */
  readonly clear: () => void
  /** The same, for good. */
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

/** `columns`: the terminal's width now. The line is gone when the scope is closed. */
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
    Effect.delay(patience),
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

/** Of stages beside each other the first one of these is what is waited for. */
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
  "Wait",
  "Find"
]

/** The line for these stages, in less than a terminal's width; empty when there is none. */
export const line = (open: ReadonlyMap<Stage, OpenStage>, now: number, columns: number): string => {
  const [first] = [...open].sort(([a], [b]) => order.indexOf(a._tag) - order.indexOf(b._tag))
  if (first === undefined) return ""
  const [stage, { amount, since }] = first
  const after = now - since
  const text = printable(textOf(stage, after >= longStage))
  const size = amount === undefined ? "" : `  ${humanSize(amount.done)} / ${humanSize(amount.total)}`
  const time = after >= longStage ? `${size}  ${Math.floor(after / 1000)} s` : size
  // What fills the last column as well goes on below on some terminals.
  const width = Math.max(0, columns - 1)
  return text.slice(0, Math.max(0, width - time.length)) + time.slice(0, width)
}

const textOf = (stage: Stage, isLong: boolean): string => {
  switch (stage._tag) {
    case "Find":
      return `finding ${stage.target}`
    case "Wait":
      return `waiting for ${stage.target}`
    case "Network":
      return "making a network to the helper"
    case "Relay":
      return "making a relay to the helper"
    case "Pull":
      return "pulling the helper image"
    case "Place":
      return `placing helper on ${stage.node}`
    case "Prepare":
      // Swarm does not tell which of it takes so long.
      return `${stage.node} prepares the helper${isLong ? " (and pulls its image, if it has none)" : ""}`
    case "Launch":
      return `${stage.node} starts the helper`
    case "Connect":
      return `connecting to the helper on ${stage.node}`
    case "Start":
      return "starting the command"
    case "Run":
      return "running"
  }
}
