import { assert, describe, it } from "@effect/vitest"
import * as Arr from "effect/Array"
import * as Schema from "effect/Schema"
import type { ExecEvent } from "../../../src/executor/ExecEvent.ts"
import { joinPieces, maxJoined } from "../../../src/executor/joinPieces.ts"

/** What an engine may give: pieces of any size on both outputs, and other events between them. */
const Given = Schema.Array(
  Schema.Struct({
    kind: Schema.Literals(["Stdout", "Stdout", "Stderr", "Started"]),
    size: Schema.Literals([0, 1, 1000, 32_768, maxJoined - 1, maxJoined, maxJoined + 1])
  })
)

/** Each piece has bytes of its own, so that one in the wrong place shows. */
const toEvents = (given: typeof Given.Type): ReadonlyArray<ExecEvent> =>
  given.map(({ kind, size }, at) =>
    kind === "Started" ? { _tag: kind, execId: String(at) } : { _tag: kind, data: new Uint8Array(size).fill(at) }
  )

/** The same with one event for each run of output. */
const runsOf = (events: ReadonlyArray<ExecEvent>): ReadonlyArray<readonly [tag: string, bytes: string]> => {
  const runs: Array<[tag: string, parts: Array<Uint8Array>]> = []
  for (const event of events) {
    const last = runs.at(-1)
    const data = "data" in event ? event.data : Buffer.from(JSON.stringify(event))
    if (last !== undefined && "data" in event && last[0] === event._tag) last[1].push(data)
    else runs.push([event._tag, [data]])
  }
  return runs.map(([tag, parts]) => [tag, Buffer.concat(parts).toString("base64")])
}

describe("joining of waiting output", () => {
  it("joins pieces of one stream, up to the limit", () => {
    const piece = (_tag: "Stdout" | "Stderr", size: number): ExecEvent => ({ _tag, data: new Uint8Array(size) })
    const joined = joinPieces([
      { _tag: "Started", execId: "e" },
      piece("Stdout", 100_000),
      piece("Stdout", 100_000),
      piece("Stdout", 100_000),
      piece("Stderr", 5),
      piece("Stdout", 5),
      { _tag: "Exited", code: 0 }
    ])
    assert.deepStrictEqual(
      joined.map((event) => ("data" in event ? [event._tag, event.data.length] : [event._tag])),
      [["Started"], ["Stdout", 200_000], ["Stdout", 100_000], ["Stderr", 5], ["Stdout", 5], ["Exited"]]
    )
  })

  it.prop("loses, adds and moves nothing, and makes no piece too large", [Given], ([given]) => {
    const events = toEvents(given)
    if (!Arr.isReadonlyArrayNonEmpty(events)) return
    const joined = joinPieces(events)
    assert.deepStrictEqual(runsOf(joined), runsOf(events))
    for (const event of joined) {
      if ("data" in event && !events.includes(event)) assert.isAtMost(event.data.length, maxJoined)
    }
  })
})
