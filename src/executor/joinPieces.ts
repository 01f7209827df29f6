import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Arr from "effect/Array"
import type { ExecEvent } from "./ExecEvent.ts"

/** The most bytes of a joined piece, unless one of its parts is larger. */
export const maxJoined = 256 * 1024

type Output = ExecEvent & { readonly _tag: "Stdout" | "Stderr" }

/**
 * Joins adjacent pieces of the same output. Engines and tunnels deliver pieces of 16 or 32 KiB. If several pieces wait for the consumer,
 * one joined piece costs less.
 */
export const joinPieces = (events: NonEmptyReadonlyArray<ExecEvent>): NonEmptyReadonlyArray<ExecEvent> => {
  if (events.length === 1) return events
  const joined: Array<ExecEvent> = []
  let parts: Array<Output> = []
  let bytes = 0
  const flush = () => {
    const [first] = parts
    if (first === undefined) return
    joined.push(parts.length === 1 ? first : { _tag: first._tag, data: Buffer.concat(parts.map(({ data }) => data)) })
    parts = []
    bytes = 0
  }
  for (const event of events) {
    if (event._tag !== "Stdout" && event._tag !== "Stderr") {
      flush()
      joined.push(event)
      continue
    }
    if (parts[0]?._tag !== event._tag || bytes + event.data.length > maxJoined) flush()
    parts.push(event)
    bytes += event.data.length
  }
  flush()
  return Arr.isReadonlyArrayNonEmpty(joined) ? joined : events
}
