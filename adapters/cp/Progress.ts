/** The progress of a copy, on the last line of the terminal. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { humanSize } from "../LayOut.ts"
import { LastLine, type Screen } from "../terminal/LastLine.ts"

/** Milliseconds between two updates. */
const pause = 100
const barWidth = 24

/** Shows the progress of a copy. */
export interface Progress {
  /** Counts the bytes of a stream. */
  readonly watch: <E, R>(content: Stream.Stream<Uint8Array, E, R>) => Stream.Stream<Uint8Array, E, R>
  /** Shows the end of the copy: `Successfully copied 50MB to …`. */
  readonly done: (destination: string) => Effect.Effect<void>
}

/** Reports nothing. */
export const noProgress: Progress = { watch: (content) => content, done: () => Effect.void }

/** Makes a progress line that is erased when its scope closes. `total`: bytes of content, if known. */
export const makeProgress = Effect.fnUntraced(function* (
  screen: Screen,
  title: string,
  total: number | undefined
): Effect.fn.Return<Progress, never, Scope.Scope> {
  const start = screen.now()
  let bytes = 0
  const last = new LastLine(screen.write)
  let drawn = Number.NEGATIVE_INFINITY
  const draw = () => {
    const now = screen.now()
    if (now - drawn < pause) return
    drawn = now
    last.show(line(title, bytes, total, now - start))
  }
  yield* Effect.addFinalizer(() => Effect.sync(() => last.clear()))
  return {
    watch: (content) =>
      Stream.tap(content, (chunk) =>
        Effect.sync(() => {
          bytes += chunk.length
          draw()
        })
      ),
    done: (destination) =>
      Effect.sync(() => last.leave(`Successfully copied ${humanSize(total ?? bytes)} to ${destination}`))
  }
})

/** Returns the line, without its end. */
export const line = (title: string, bytes: number, total: number | undefined, millis: number): string => {
  const speed = millis < 500 ? "" : `  ${humanSize((bytes / millis) * 1000)}/s`
  if (total === undefined || total === 0) return `${title}  ${humanSize(bytes)}${speed}`
  // The archive is larger than its content.
  const part = Math.min(1, bytes / total)
  const filled = Math.floor(part * barWidth)
  const bar = `${"=".repeat(filled)}${filled < barWidth ? ">" : ""}`.padEnd(barWidth)
  return `${title}  [${bar}] ${Math.floor(part * 100)}%  ${humanSize(Math.min(bytes, total))} / ${humanSize(total)}${speed}`
}
