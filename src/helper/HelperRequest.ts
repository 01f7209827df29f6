/** The request that a helper reads from its secret. */
import * as Schema from "effect/Schema"
import { EndRun, ExecSpec } from "../executor/ExecSpec.ts"
import { TaskPolicy } from "../policy/TaskPolicy.ts"

/** File name of the secret, under `/run/secrets`. */
export const requestFile = "task-exec-request"

/** The path of a helper's request. */
export const requestPath = `/run/secrets/${requestFile}`

/** Environment variables that Swarm sets in the helper's container. */
export const helperVariables = {
  task: "TASK_EXEC_HELPER_TASK",
  node: "TASK_EXEC_HELPER_NODE",
  hostname: "TASK_EXEC_HELPER_HOSTNAME"
} as const

/** The work of a helper. */
export const HelperWork = Schema.TaggedUnion({
  /** Run a command in each of these containers, and report on each over its channel. The command with index 0 has channel 1. */
  Exec: {
    specs: Schema.NonEmptyArray(ExecSpec),
    /** Indices of the commands that begin at once. The others wait for the caller's `Begin`. */
    begin: Schema.Array(Schema.Int),
    /** All input of each command, if the input had ended before the request was sent. */
    input: Schema.optionalKey(Schema.Uint8ArrayFromBase64)
  },
  /** Kill commands of another helper, and report their kill results. */
  End: { runs: Schema.NonEmptyArray(EndRun) },
  /** Serve requests for the files of a container over the tunnel. */
  Copy: { container: Schema.NonEmptyString, policy: TaskPolicy }
})

/** The work of a helper. */
export type HelperWork = typeof HelperWork.Type

/**
 * When a run first needs its tunnel:
 * - `start`: at once;
 * - `command`: when its command has started. A terminal uses this, because the creation of the tunnel takes CPU time that would delay the
 *   prompt;
 * - `output`: when its output outgrows the log.
 */
export const TunnelNeed = Schema.Literals(["start", "command", "output"])

/** When a run first needs its tunnel. */
export type TunnelNeed = typeof TunnelNeed.Type

/** The request of one helper. */
export const HelperRequest = Schema.Struct({
  /** The caller's version of the wire protocol. */
  protocol: Schema.Int,
  /** ID of the node that runs the task. A helper on any other node refuses the request. */
  node: Schema.NonEmptyString,
  /** Ownership of the helper's objects, and of those that the helper creates. */
  owner: Schema.Struct({ runId: Schema.NonEmptyString, deadline: Schema.Finite, creator: Schema.String }),
  /** The tunnel from the caller to the helper. Without it, the helper has only its log. Requests to agents have no tunnel. */
  tunnel: Schema.optionalKey(
    Schema.Struct({
      /** The key of the tunnel (base64). Only the caller and the helper know it. */
      key: Schema.NonEmptyString,
      /** Names of the networks, which the caller creates. The helper joins the first one that its node can join. */
      networks: Schema.NonEmptyArray(Schema.NonEmptyString),
      from: TunnelNeed
    })
  ),
  work: HelperWork
})

/** The request of one helper. */
export type HelperRequest = typeof HelperRequest.Type

/** Returns the longest grace period of a helper's commands, in milliseconds; 0 for a copy, which has no command. */
export const graceOf = (work: HelperWork): number => {
  switch (work._tag) {
    case "Exec":
      return Math.max(...work.specs.map(({ grace }) => grace))
    case "End":
      return Math.max(...work.runs.map(({ grace }) => grace))
    case "Copy":
      return 0
  }
}
