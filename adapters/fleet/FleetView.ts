/** The output of a fan-out: live lines, gathered, compared, as JSON lines, or none. */
import * as Effect from "effect/Effect"
import type { FleetEvent } from "../../src/fleet/FleetEvent.ts"
import { showDifferences } from "./Diff.ts"
import type { FleetForm } from "./FleetArgs.ts"
import { Gather, showGroup } from "./Gather.ts"
import type { JsonLines } from "./JsonLines.ts"
import { Lines, type LinesOptions } from "./Lines.ts"
import type { Piece } from "./Piece.ts"

/** Returns what to write for an event. */
export type FleetView = (event: FleetEvent) => Effect.Effect<ReadonlyArray<Piece>>

/** The view of one fan-out. */
export const makeView = (form: FleetForm, options: LinesOptions, json: JsonLines): FleetView => {
  switch (form) {
    case "lines": {
      const lines = new Lines(options)
      return (event) => Effect.sync(() => lines.push(event))
    }
    case "gather":
    case "diff": {
      const gather = new Gather()
      const show = () =>
        form === "diff" ? showDifferences(gather.groups) : Effect.succeed(gather.groups.flatMap(showGroup))
      return (event) =>
        Effect.suspend(() => {
          gather.push(event)
          return event._tag === "Finished" ? show() : Effect.succeed([])
        })
    }
    case "json":
      return (event) =>
        Effect.sync(() => {
          const text = json.push(event)
          return text === "" ? [] : [{ stream: "stdout", bytes: Buffer.from(text) }]
        })
    case "summary":
      return () => Effect.succeed([])
  }
}
