/** The request that a helper reads from its secret. */
import * as Schema from "effect/Schema"
import { EndRun, ExecSpec } from "../executor/ExecSpec.ts"
import { TaskPolicy } from "../policy/TaskPolicy.ts"

/** File name of the secret, under `/run/secrets`. */
export const requestFile = "task-exec-request"

/** The path of a helper's request. */
export const requestPath = `/run/secrets/${requestFile}`

/** Environment variables that Swarm sets for the helper. */
export const helperVariables = {
  task: "TASK_EXEC_HELPER_TASK",
  node: "TASK_EXEC_HELPER_NODE",
  hostname: "TASK_EXEC_HELPER_HOSTNAME"
} as const

/** The work of a helper. */
export const HelperWork = Schema.TaggedUnion({
  /** Run a command in each of several containers, and report on each over its channel. The command of index 0 has channel 1. */
  Exec: {
    specs: Schema.NonEmptyArray(ExecSpec),
    /** Indices of the commands that begin at once. The others wait for the caller's `Begin`. */
    begin: Schema.Array(Schema.Int),
    /** The whole input of each command, if the input had ended before the request was made. */
    input: Schema.optionalKey(Schema.Uint8ArrayFromBase64)
  },
  /** Kill commands of another helper, and report the kill result of each. */
  End: { runs: Schema.NonEmptyArray(EndRun) },
  /** Serve requests for files of a container over a tunnel. */
  Copy: { container: Schema.NonEmptyString, policy: TaskPolicy }
})

/** The work of a helper. */
export type HelperWork = typeof HelperWork.Type

/**
 * From when a run needs its tunnel: from the start; from when its command has started, as a terminal does, whose prompt would otherwise
 * wait for the CPU that makes the tunnel; or from when its output outgrows the log.
 */
export const TunnelNeed = Schema.Literals(["start", "command", "output"])

/** From when a run needs its tunnel. */
export type TunnelNeed = typeof TunnelNeed.Type

/** The request of one helper. */
export const HelperRequest = Schema.Struct({
  /** Version of the wire protocol that the caller understands. */
  protocol: Schema.Int,
  /** The ID of the node that runs the task. A helper on any other node refuses. */
  node: Schema.NonEmptyString,
  /** Ownership of the helper's objects, and of those that the helper creates. */
  owner: Schema.Struct({ runId: Schema.NonEmptyString, deadline: Schema.Finite, creator: Schema.String }),
  /** The tunnel from the caller to the helper. Without it the helper has only its log. Requests to agents have none. */
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

/** Returns the longest grace period of a helper's commands, in milliseconds. A copy has no command. */
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
