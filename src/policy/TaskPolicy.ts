/** The caller's knowledge about the policy of a task. */
import * as Schema from "effect/Schema"

/**
 * The part of a policy that the engine of the task's node does not know: a worker can't inspect services. It travels with the request. Empty
 * for a container without a task.
 *
 * @category models
 * @since 0.1.0
 */
export const TaskPolicy = Schema.Struct({
  /** Names for messages. */
  service: Schema.optionalKey(Schema.String),
  task: Schema.optionalKey(Schema.String),
  node: Schema.optionalKey(Schema.String),
  /** The service's label, which its containers do not have. */
  serviceAllow: Schema.optionalKey(Schema.String),
  /** The container's label as the managers know it: without the labels of its image. */
  containerAllow: Schema.optionalKey(Schema.String),
  /** Whose default denies tasks without a label. */
  denyDefault: Schema.optionalKey(Schema.Literals(["Caller", "Node"]))
})

/**
 * The part of a policy that the engine of the task's node does not know.
 *
 * @category models
 * @since 0.1.0
 */
export type TaskPolicy = typeof TaskPolicy.Type
