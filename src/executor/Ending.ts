/** The kill result of a command. It is a schema, because it travels between nodes. */
import * as Schema from "effect/Schema"

/**
 * The kill result of a command.
 *
 * @category errors
 * @since 0.1.0
 */
export const Ending = Schema.Union([
  /** No process of the run is alive on the node. */
  Schema.TaggedStruct("Killed", {}),
  /** These processes of the run were still alive after KILL (host PIDs). */
  Schema.TaggedStruct("Alive", { pids: Schema.Array(Schema.Int) }),
  /** The kill could not be tried or confirmed. */
  Schema.TaggedStruct("Unconfirmed", { detail: Schema.String })
])

/**
 * The kill result of a command.
 *
 * @category errors
 * @since 0.1.0
 */
export type Ending = typeof Ending.Type

/** The kill result if no process of the command is alive. */
export const killed: Ending = { _tag: "Killed" }

/** The kill result if the command may still run. */
export const unconfirmed = (detail: string): Ending => ({ _tag: "Unconfirmed", detail })

/** Describes a kill result as a clause of a message. */
export const describeEnding = (ending: Ending): string => {
  switch (ending._tag) {
    case "Killed":
      return "the command and all its child processes were killed"
    case "Alive":
      return `these processes are still alive on the node: ${ending.pids.join(", ")}`
    case "Unconfirmed":
      return `the command may still be running (${ending.detail})`
  }
}

/** Returns the next step after a kill result; empty if the command was killed. */
export const endingHint = ({ _tag }: Ending): string =>
  _tag === "Killed" ? "" : "Check the node before you run the command again."
