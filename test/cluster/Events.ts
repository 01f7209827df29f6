/** What an engine remembers of what happened on its node: an account of a run that nobody of ours keeps. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { request } from "./EngineApi.ts"

const EngineEvent = Schema.fromJsonString(
  Schema.Struct({
    Type: Schema.String,
    Action: Schema.String,
    scope: Schema.String,
    Actor: Schema.Struct({ Attributes: Schema.Record(Schema.String, Schema.String) })
  })
)

/** The events since then, in Unix milliseconds; `filters` as the API has them: `{ event: { create: true } }`. */
export const eventsSince = Effect.fnUntraced(function* (
  socket: string,
  since: number,
  filters: Readonly<Record<string, Readonly<Record<string, boolean>>>> = {}
) {
  const query = {
    since: String(since / 1000),
    until: String(Date.now() / 1000),
    filters: JSON.stringify(filters)
  }
  const text = yield* request(socket, "GET", "/events", { query })
  const lines = text
    .toString()
    .split("\n")
    .filter((line) => line !== "")
  return yield* Effect.forEach(lines, (line) => Schema.decodeEffect(EngineEvent)(line))
})

/**
 * Names of what of ours was made since then, in Unix milliseconds. Each once: a network of the swarm is made for the swarm, and on
 * each node that needs it.
 */
export const madeSince = (socket: string, type: "service" | "container" | "network", since: number) =>
  Effect.map(eventsSince(socket, since, { type: { [type]: true }, event: { create: true } }), (events) => {
    const names = events.map(({ Actor }) => Actor.Attributes.name ?? "")
    return [...new Set(names)].filter((name) => name.startsWith("task-exec-"))
  })
