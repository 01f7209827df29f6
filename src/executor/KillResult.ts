/** The kill result of a command. It is a schema, because it travels between nodes. */
import * as Schema from "effect/Schema"

/**
 * The kill result of a command.
 *
 * @category errors
 * @since 0.1.0
 */
export const KillResult = Schema.Union([
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
export type KillResult = typeof KillResult.Type

/** The kill result if no process of the command is alive. */
export const killed: KillResult = { _tag: "Killed" }

/** The kill result if the command may still run. */
export const unconfirmed = (detail: string): KillResult => ({ _tag: "Unconfirmed", detail })

/** Describes a kill result as a clause of a message. */
export const describeKillResult = (killResult: KillResult): string => {
  switch (killResult._tag) {
    case "Killed":
      return "the command and all its child processes were killed"
    case "Alive":
      return `these processes are still alive on the node: ${killResult.pids.join(", ")}`
    case "Unconfirmed":
      return `the command may still be running (${killResult.detail})`
  }
}

/** Returns the next step after a kill result; empty if the command was killed. */
export const killResultHint = ({ _tag }: KillResult): string =>
  _tag === "Killed" ? "" : "Check the node before you run the command again."
