/** Which way to a target's node a caller asks for. */
import * as Schema from "effect/Schema"

/**
 * What may be asked for: `auto` is `local` where the connected engine runs the task, elsewhere `agent` where there are agents
 * (`swarm-exec agent`), and else `helper`. A helper's frames come over `logs`, or over a `tunnel` where the command has an
 * input or a terminal, unless it is said which.
 */
export const Via = Schema.Literals(["auto", "local", "agent", "helper", "helper:logs", "helper:tunnel"])

/** What may be asked for. */
export type Via = typeof Via.Type
