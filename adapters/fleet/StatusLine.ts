/** The status line of a fan-out: its progress, on the last line of the terminal. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { FleetEvent, TaskResult } from "../../src/fleet/FleetEvent.ts"
import type { ResolvedTask } from "../../src/target/ResolvedTask.ts"
import { LastLine, type Screen } from "../terminal/LastLine.ts"
import { exitCodeOfResult } from "./Outcome.ts"
import { labelOf } from "./Piece.ts"

/** Time between two updates. */
const pause = "100 millis"

/** Shows the progress. */
export interface StatusLine {
  /** Counts an event. The next update shows it. */
  readonly see: (event: FleetEvent) => Effect.Effect<void>
  /** Erases the line. Call it before writing to the terminal; the next update shows the line again. */
  readonly clear: () => void
}

/** Reports nothing. */
export const noStatusLine: StatusLine = { see: () => Effect.void, clear: () => undefined }

/** The number of tasks in each state. */
export interface Counts {
  readonly running: number
  readonly done: number
  readonly failed: number
  readonly skipped: number
  readonly left: number
}

/** Makes a status line that is erased when its scope closes. `columns` returns the terminal's current width. */
export const makeStatusLine = Effect.fnUntraced(function* (
  screen: Pick<Screen, "write">,
  columns: () => number
): Effect.fn.Return<StatusLine, never, Scope.Scope> {
  const running = new Map<string, string>()
  /** The first task of a followed log, by each task after it. */
  const firsts = new Map<string, string>()
  const firstOf = ({ id }: ResolvedTask) => firsts.get(id) ?? id
  const counts = { done: 0, failed: 0, skipped: 0, left: 0 }
  const last = new LastLine(screen.write)
  const draw = () => last.show(line({ ...counts, running: running.size }, running.values(), columns()))
  const clear = () => last.clear()
  const see = (event: FleetEvent) => {
    switch (event._tag) {
      case "Chosen":
        counts.left = event.tasks.length
        return
      case "Started":
        if (!running.has(firstOf(event.task))) counts.left--
        running.set(firstOf(event.task), labelOf(event.task))
        return
      case "Replaced":
        firsts.set(event.by.id, firstOf(event.task))
        return
      case "Ended":
        if (!running.delete(event.task.id)) counts.left--
        counts[kindOf(event.result)]++
        return
    }
  }
  yield* Effect.addFinalizer(() => Effect.sync(clear))
  yield* Effect.sleep(pause).pipe(Effect.andThen(Effect.sync(draw)), Effect.forever, Effect.forkScoped)
  return { see: (event) => Effect.sync(() => see(event)), clear }
})

/** `12 running, 80 done, 1 failed, 57 left  web.3@node-2 …`, narrower than the terminal. Empty if no task is left. */
export const line = (counts: Counts, running: Iterable<string>, columns: number): string => {
  if (counts.running === 0 && counts.left === 0) return ""
  const words = (["running", "done", "failed", "skipped", "left"] as const).flatMap((word) =>
    counts[word] > 0 || word === "running" ? [`${counts[word]} ${word}`] : []
  )
  // Some terminals wrap a line that fills the last column.
  const width = Math.max(0, columns - 1)
  let text = words.join(", ")
  if (text.length > width) return text.slice(0, width)
  let separator = "  "
  let named = 0
  for (const label of running) {
    named++
    const more = named < counts.running ? " …".length : 0
    if (text.length + separator.length + label.length + more > width) return fits(`${text}${separator}…`, text, width)
    text += separator + label
    separator = " "
  }
  return text
}

const fits = (text: string, otherwise: string, width: number): string => (text.length <= width ? text : otherwise)

const kindOf = (result: TaskResult): "done" | "failed" | "skipped" => {
  if (result._tag === "Skipped") return "skipped"
  return exitCodeOfResult(result) === 0 ? "done" : "failed"
}
