/** What a helper reads from its secret. */
import * as Schema from "effect/Schema"
import { ExecSpec } from "../executor/ExecSpec.ts"

/** File name of the secret, under `/run/secrets`. */
export const requestFile = "task-exec-request"

/** Where a helper finds its request. */
export const requestPath = `/run/secrets/${requestFile}`

/** The subcommand of our image that serves one request. */
export const helperCommand = "helper"

/** Environment variables that Swarm fills in for the helper. */
export const helperVariables = { task: "TASK_EXEC_HELPER_TASK", node: "TASK_EXEC_HELPER_NODE" } as const

/** The request of one run. */
export const HelperRequest = Schema.Struct({
  /** Version of the wire protocol that the caller understands. */
  protocol: Schema.Int,
  /** The node that the target's task is on; a helper anywhere else refuses. */
  node: Schema.NonEmptyString,
  spec: ExecSpec,
  /** For the objects that the helper makes itself. */
  owner: Schema.Struct({ runId: Schema.NonEmptyString, deadline: Schema.Finite, creator: Schema.String }),
  /** Bytes of output after which the helper gives up: its log takes the node's disk. */
  maxOutput: Schema.Finite
})

/** The request of one run. */
export type HelperRequest = typeof HelperRequest.Type
