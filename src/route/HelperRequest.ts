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
  /** Run a command and report on it. */
  Exec: {
    spec: ExecSpec,
    /** All of the command's input, if it has one that had ended before the helper was made. */
    input: Schema.optionalKey(Schema.Uint8ArrayFromBase64),
    /** Bytes of output after which the helper gives up: its log takes the node's disk. */
    maxOutput: Schema.Finite
  },
  /** Run a command in each of several containers, over a channel of a tunnel each, when the caller says so. */
  ExecMany: { specs: Schema.NonEmptyArray(ExecSpec) },
  /** End commands of another helper, and report what became of each. */
  End: { runs: Schema.NonEmptyArray(EndRun) },
  /** Read and write files of a container, as the caller asks for one after the other over a tunnel. */
  Copy: { container: Schema.NonEmptyString, policy: TaskPolicy }
})

/** What a helper can be asked to do. */
export type HelperWork = typeof HelperWork.Type

/** The request of one helper. */
export const HelperRequest = Schema.Struct({
  /** Version of the wire protocol that the caller understands. */
  protocol: Schema.Int,
  /** The node that the target's task is on; a helper anywhere else refuses. */
  node: Schema.NonEmptyString,
  /** For the helper's own objects, and those that it makes itself. */
  owner: Schema.Struct({ runId: Schema.NonEmptyString, deadline: Schema.Finite, creator: Schema.String }),
  /** The caller comes over a network, and shows that it knows this key (base64); otherwise the log is all there is. */
  tunnel: Schema.optionalKey(Schema.Struct({ key: Schema.NonEmptyString })),
  work: HelperWork
})

/** The request of one helper. */
export type HelperRequest = typeof HelperRequest.Type

/** The longest grace period of the commands that a helper has to do with, in milliseconds; a copy has no command. */
export const graceOf = (work: HelperWork): number => {
  switch (work._tag) {
    case "Exec":
      return work.spec.grace
    case "ExecMany":
      return Math.max(...work.specs.map(({ grace }) => grace))
    case "End":
      return Math.max(...work.runs.map(({ grace }) => grace))
    case "Copy":
      return 0
  }
}
