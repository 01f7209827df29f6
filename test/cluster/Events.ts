/** The events that an engine recorded on its node: a report about a run that does not depend on task-exec. */
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

/** The events since a Unix time in milliseconds. `filters` as the API takes them: `{ event: { create: true } }`. */
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
 * Names of our objects of a type that were created since a Unix time in milliseconds, each once: a network of the swarm is also created on
 * each node that uses it.
 */
export const objectsCreatedSince = (socket: string, type: "service" | "container" | "network", since: number) =>
  Effect.map(eventsSince(socket, since, { type: { [type]: true }, event: { create: true } }), (events) => {
    const names = events.map(({ Actor }) => Actor.Attributes.name ?? "")
    return [...new Set(names)].filter((name) => name.startsWith("task-exec-"))
  })
