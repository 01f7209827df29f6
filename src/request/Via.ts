/** The routes to a task's node: the route that a caller requests, and the route that a run takes. */
import * as Schema from "effect/Schema"

/**
 * The route that a caller requests. `auto` means `local` if the connected engine runs the task, else `agent` if agents are deployed
 * (`task-exec agent`), else `helper`.
 *
 * @category requests
 * @since 0.1.0
 */
export const Via = Schema.Literals(["auto", "local", "agent", "helper"])

/**
 * The route that a caller requests.
 *
 * @category requests
 * @since 0.1.0
 */
export type Via = typeof Via.Type

/**
 * The route that a run takes: `local` (the connected engine runs the task), or the `agent` or a `helper` on the task's node.
 *
 * @category models
 * @since 0.1.0
 */
export type Route = Exclude<Via, "auto">
