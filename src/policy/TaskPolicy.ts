/** What a caller knows about the policy of a task. */
import * as Schema from "effect/Schema"

/**
 * The part of a policy that the engine of the task's node does not know, because a worker can't inspect services. It travels with the
 * request. Empty for a container without a task.
 *
 * @category models
 * @since 0.1.0
 */
export const TaskPolicy = Schema.Struct({
  /** Name of the service, for messages. */
  service: Schema.optionalKey(Schema.String),
  /** Name of the task, for messages. */
  task: Schema.optionalKey(Schema.String),
  /** Host name of the node, for messages. */
  node: Schema.optionalKey(Schema.String),
  /** The service's label, which its containers do not have. */
  serviceAllow: Schema.optionalKey(Schema.String),
  /** The container's label as the managers know it: without the labels of its image. */
  containerAllow: Schema.optionalKey(Schema.String),
  /** Whose default denies actions in tasks without a label. */
  denyDefault: Schema.optionalKey(Schema.Literals(["Caller", "Node"]))
})

/**
 * The part of a policy that the engine of the task's node does not know.
 *
 * @category models
 * @since 0.1.0
 */
export type TaskPolicy = typeof TaskPolicy.Type
