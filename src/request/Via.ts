/** Which way to a task's node a caller asks for, and which one is taken. */
import * as Schema from "effect/Schema"

/**
 * What may be asked for: `auto` is `local` where the connected engine runs the task, elsewhere `agent` where there are agents
 * (`task-exec agent`), and else `helper`.
 */
export const Via = Schema.Literals(["auto", "local", "agent", "helper"])

/** What may be asked for. */
export type Via = typeof Via.Type

/** The way that is taken: `local` (the connected engine runs the task), the `agent` or a `helper` on its node. */
export type Route = Exclude<Via, "auto">
