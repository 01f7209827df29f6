/** How the events of a fan-out are shown: live lines, folded, compared, as JSON, or not at all. */
import * as Effect from "effect/Effect"
import type { FleetEvent } from "../../src/fleet/FleetEvent.ts"
import { showDifferences } from "./Diff.ts"
import type { FleetForm } from "./FleetArgs.ts"
import { Gather, showGroup } from "./Gather.ts"
import { JsonLines } from "./JsonLines.ts"
import { Lines, type LinesOptions } from "./Lines.ts"
import type { Piece } from "./Piece.ts"

/** What is to be written for an event. */
export type FleetView = (event: FleetEvent) => Effect.Effect<ReadonlyArray<Piece>>

/** The view of one fan-out. */
export const makeView = (form: FleetForm, options: LinesOptions): FleetView => {
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
    case "json": {
      const json = new JsonLines(Date.now)
      return (event) =>
        Effect.sync(() => {
          const text = json.push(event)
          return text === "" ? [] : [{ stream: "stdout", bytes: Buffer.from(text) }]
        })
    }
    case "summary":
      return () => Effect.succeed([])
  }
}
