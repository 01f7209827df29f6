/** What a helper reads from its secret. */
import * as Schema from "effect/Schema"
import { EndRun, ExecSpec } from "../executor/ExecSpec.ts"
import { TaskPolicy } from "../policy/TaskPolicy.ts"

/** File name of the secret, under `/run/secrets`. */
export const requestFile = "task-exec-request"

/** Where a helper finds its request. */
export const requestPath = `/run/secrets/${requestFile}`

/** Environment variables that Swarm fills in for the helper. */
export const helperVariables = {
  task: "TASK_EXEC_HELPER_TASK",
  node: "TASK_EXEC_HELPER_NODE",
  hostname: "TASK_EXEC_HELPER_HOSTNAME"
} as const

/** What a helper can be asked to do. */
export const HelperWork = Schema.TaggedUnion({
  /** Run a command in each of several containers, and report on each over the channel of its index and one. */
  Exec: {
    specs: Schema.NonEmptyArray(ExecSpec),
    /** Indices of the commands that begin at once. The others begin when the caller says so. */
    begin: Schema.Array(Schema.Int),
    /** All of the input that each command gets, if it has one that had ended before the request was made. */
    input: Schema.optionalKey(Schema.Uint8ArrayFromBase64)
  },
  /** End commands of another helper, and report what became of each. */
  End: { runs: Schema.NonEmptyArray(EndRun) },
  /** Read and write files of a container, as the caller asks for one after the other over a tunnel. */
  Copy: { container: Schema.NonEmptyString, policy: TaskPolicy }
})

/** What a helper can be asked to do. */
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
  /** The node that the target's task is on; a helper anywhere else refuses. */
  node: Schema.NonEmptyString,
  /** For the helper's own objects, and those that it makes itself. */
  owner: Schema.Struct({ runId: Schema.NonEmptyString, deadline: Schema.Finite, creator: Schema.String }),
  /** The way from the caller to the helper; without it the log is all there is. An agent is reached already. */
  tunnel: Schema.optionalKey(
    Schema.Struct({
      /** The caller shows that it knows this key (base64). */
      key: Schema.NonEmptyString,
      /** Names of networks: the helper joins the first one that its node can. The caller makes them. */
      networks: Schema.NonEmptyArray(Schema.NonEmptyString),
      from: TunnelNeed
    })
  ),
  work: HelperWork
})

/** The request of one helper. */
export type HelperRequest = typeof HelperRequest.Type

/** The longest grace period of the commands that a helper has to do with, in milliseconds; a copy has no command. */
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
