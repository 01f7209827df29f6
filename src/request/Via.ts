/** The routes to a task's node: the one that a caller asks for, and the one that is taken. */
import * as Schema from "effect/Schema"

/**
 * The route that a caller asks for. `auto` is `local` if the connected engine runs the task, otherwise `agent` if agents are deployed
 * (`task-exec agent`), and else `helper`.
 *
 * @category requests
 * @since 0.1.0
 */
export const Via = Schema.Literals(["auto", "local", "agent", "helper"])

/**
 * The route that a caller asks for.
 *
 * @category requests
 * @since 0.1.0
 */
export type Via = typeof Via.Type

/**
 * The route that is taken: `local` (the connected engine runs the task), or the `agent` or a `helper` on the task's node.
 *
 * @category models
 * @since 0.1.0
 */
export type Route = Exclude<Via, "auto">
